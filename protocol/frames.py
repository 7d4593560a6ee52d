"""Messages cut into fragments that fit one GATT write or notification, and put together again.

Each fragment is one header byte and a piece of the message. Header: bit 7 first fragment,
bit 6 last fragment, bits 5..0 the fragment's index modulo 64. Fragments arrive in order (ATT
guarantees it), so any gap is an error of the peer and ends the message. Long writes are not used.
"""

FIRST = 0x80
LAST = 0x40
_INDEX = 0x3F
MIN_FRAGMENT_BYTES = 20  # ATT MTU 23 less 3
MAX_FRAGMENT_BYTES = 509  # ATT MTU 512 less 3: attribute values have at most 512 bytes
MAX_MESSAGE_BYTES = 4096


class FrameError(ValueError):
    """A fragment that cannot belong to any message of ours."""


def fragment(message: bytes, max_fragment: int) -> list:
    """`message` as fragments of at most `max_fragment` bytes each, header included."""
    if not message or len(message) > MAX_MESSAGE_BYTES:
        raise FrameError("a message has 1 to 4096 bytes")
    size = max(MIN_FRAGMENT_BYTES, min(max_fragment, MAX_FRAGMENT_BYTES)) - 1
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return [bytes([_header(index, len(pieces))]) + piece for index, piece in enumerate(pieces)]


def _header(index: int, count: int) -> int:
    first = FIRST if index == 0 else 0
    last = LAST if index == count - 1 else 0
    return first | last | (index & _INDEX)


class Reassembler:
    """Joins the fragments of one direction of a connection. Never holds more than a message."""

    def __init__(self, max_message: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message = max_message
        self._parts = None
        self._index = 0

    def push(self, fragment: bytes) -> bytes | None:
        """The message that `fragment` completes, or None. Raises FrameError and starts afresh."""
        try:
            return self._push(fragment)
        except FrameError:
            self._parts = None
            raise

    def _push(self, fragment: bytes) -> bytes | None:
        if len(fragment) < 2:
            raise FrameError("empty fragment")
        header = fragment[0]
        if header & FIRST:
            self._parts, self._index = bytearray(), 0
        if self._parts is None or header & _INDEX != self._index & _INDEX:
            raise FrameError("fragment out of order")
        if len(self._parts) + len(fragment) - 1 > self._max_message:
            raise FrameError("message too large")
        self._parts.extend(fragment[1:])
        self._index += 1
        return self._complete() if header & LAST else None

    def _complete(self) -> bytes:
        message = bytes(self._parts)
        self._parts = None
        return message
