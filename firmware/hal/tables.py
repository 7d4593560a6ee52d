"""Tables of keys in files of the chip's flash: the `tables` port of firmware.core.ed25519.

Decides only where they lie. What is in a file is not trusted: the core holds a checksum against it
and builds a damaged table again. A table that cannot be kept costs time at the next boot, no more,
so no error of the flash leaves this module.
"""

import os

# Tables of keys long gone must not fill the flash. Those of the largest keyset (16 keys, two roots)
# and the base point's must have room: else whoever brings documents under one key after the other
# makes the lock build and write tables without end.
MAX_FILES = 20


class FlashTables:
    """`folder` is a path such as "/data/tables"; it is made when it is missing."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read_into(self, name: str, buffer: bytearray) -> bool:
        """Whether the file was there and filled all of `buffer`."""
        try:
            with open(self._path(name), "rb") as file:
                return file.readinto(buffer) == len(buffer)
        except OSError:
            return False

    def write(self, name: str, content: bytes) -> None:
        """Keep a table if the flash can; others go when there are too many."""
        try:
            self._make_room(name)
            with open(self._path(name), "wb") as file:
                file.write(content)
        except OSError:
            self._forget(name)

    def _make_room(self, name: str) -> None:
        try:
            os.mkdir(self._folder)
        except OSError:
            pass  # it is there, or the write will fail
        others = [other for other in os.listdir(self._folder) if other != name]
        for other in others[: max(0, len(others) - MAX_FILES + 1)]:
            os.remove(self._path(other))

    def _forget(self, name: str) -> None:
        try:
            os.remove(self._path(name))
        except OSError:
            pass  # nothing was written

    def _path(self, name: str) -> str:
        return self._folder + "/" + name
