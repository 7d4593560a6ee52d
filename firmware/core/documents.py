"""One signed, versioned document (keyset, configuration) kept in two files, so that damage to the
newest costs a version and not the lock.

Decides which of the two files counts and which is written next; looks into no document and checks
no signature (that was done when it came). A file is [CRC-32 of the rest, version, document], big
endian, 4 and 8 bytes. The file that counts is never the one that is written: a torn, rotten or
unreadable newest file falls back to the other. Storage is the port of firmware/hal/storage.py.
"""

import binascii

from protocol.shim import Any

_CRC_BYTES = 4
_HEAD_BYTES = 12


class DocumentStore:
    """The document called `name`, in the files `name`.a and `name`.b."""

    def __init__(self, storage: Any, name: str) -> None:
        self._storage = storage
        self._names = (name + ".a", name + ".b")

    def load(self) -> bytes | None:
        """The newest document that can be read, or None. Never raises."""
        return self._newest()[2]

    def save(self, raw: bytes, version: int) -> None:
        """Make `raw` the document; it counts once this returns. Raises OSError; nothing is lost.

        A version that is not newer takes the place of the old one, too: whether it may is for the
        caller to decide. After an OSError either document may be the one that counts.
        """
        held, held_version, _ = self._newest()
        target = self._names[held == self._names[0]]
        head = version.to_bytes(_HEAD_BYTES - _CRC_BYTES, "big")
        self._storage.write(target, _crc(head, raw) + head + raw)
        if held is not None and version <= held_version:
            self._storage.delete(held)

    def delete(self) -> None:
        """Forget the document. The newest goes last, so that a cut brings no older one back."""
        held = self._newest()[0]
        for name in sorted(self._names, key=lambda name: name == held):
            self._storage.delete(name)

    def _newest(self) -> tuple:
        """(file, version, document) of the newest whole file, (None, 0, None) without one.

        One document at a time is in memory: first the versions, then whole files, newest first.
        """
        heads = [(self._version(name), name) for name in self._names]
        for version, name in sorted(heads, reverse=True):
            raw = self._document(name) if version >= 0 else None
            if raw is not None:
                return name, version, raw
        return None, 0, None

    def _version(self, name: str) -> int:
        """What a file says of its version; -1 when it is missing, cut short or unreadable."""
        head = _read(self._storage, name, 0, _HEAD_BYTES)
        return -1 if len(head) < _HEAD_BYTES else int.from_bytes(head[_CRC_BYTES:], "big")

    def _document(self, name: str) -> bytes | None:
        """The document in a file, or None when its sum is wrong."""
        head = _read(self._storage, name, 0, _HEAD_BYTES)
        raw = _read(self._storage, name, _HEAD_BYTES, -1)
        return raw if _crc(head[_CRC_BYTES:], raw) == head[:_CRC_BYTES] else None


def _crc(head: bytes, raw: bytes) -> bytes:
    return (binascii.crc32(raw, binascii.crc32(head)) & 0xFFFFFFFF).to_bytes(_CRC_BYTES, "big")


def _read(storage: Any, name: str, offset: int, size: int) -> bytes:
    """b"" for what cannot be read."""
    try:
        return storage.read(name, offset, size) or b""
    except OSError:
        return b""
