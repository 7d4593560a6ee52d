"""The lock's storage port in RAM, with the same acknowledgements as firmware/hal/storage.py."""

from __future__ import annotations


class MemoryStorage:
    """Files by name; survives a restart of the lock because the caller keeps it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes | None:
        """The bytes of a file, or None."""
        data = self.files.get(name)
        if data is None:
            return None
        return data[offset:] if size < 0 else data[offset : offset + size]

    def write(self, name: str, data: bytes) -> None:
        """Replace a file whole."""
        self.files[name] = bytes(data)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file."""
        self.files[name] = self.files.get(name, b"") + bytes(data)

    def names(self, folder: str) -> list[str]:
        """The file names in a folder."""
        prefix = folder + "/"
        return [name[len(prefix) :] for name in self.files if name.startswith(prefix)]

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is removed."""
        self.files.pop(name, None)
