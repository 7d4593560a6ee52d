"""Files of one folder on the chip's LittleFS: the storage port of the core.

`write` replaces a file whole or not at all (LittleFS renames atomically); `append` is one write
and one sync. Names may have one folder in them. OSError means that nothing was acknowledged.
"""

import os

_ENOENT = 2
_EEXIST = 17


class FileStorage:
    """`root` is a folder path such as "/data"; it is made when it is missing."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._open_name = None
        self._open_file = None
        _make_folder(root)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        """The bytes of a file, or None when there is no such file."""
        try:
            with open(self._path(name), "rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make `data` the whole content of a file."""
        if self._open_name == name:
            self._close()
        self._make_parent(name)
        temporary = self._path(name) + ".new"
        with open(temporary, "wb") as file:
            file.write(data)
        os.rename(temporary, self._path(name))

    def append(self, name: str, data: bytes) -> None:
        """Add `data` to the end of a file and sync it. The file stays open for the next time."""
        if self._open_name != name:
            self._close()
            self._make_parent(name)
            self._open_file = open(self._path(name), "ab")
            self._open_name = name
        try:
            self._open_file.write(data)
            self._open_file.flush()
        except OSError:
            self._close()
            raise

    def names(self, folder: str) -> list:
        """The file names in a folder, leftovers of a cut aside."""
        try:
            found = os.listdir(self._path(folder))
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return []
        return [name for name in found if not name.endswith(".new")]

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is removed."""
        if self._open_name == name:
            self._close()
        try:
            os.remove(self._path(name))
        except OSError as error:
            if error.errno != _ENOENT:
                raise

    def _path(self, name: str) -> str:
        return self._root + "/" + name

    def _make_parent(self, name: str) -> None:
        if "/" in name:
            _make_folder(self._path(name[: name.rindex("/")]))

    def _close(self) -> None:
        file, self._open_file, self._open_name = self._open_file, None, None
        if file is not None:
            file.close()


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise
