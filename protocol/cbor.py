"""Deterministic CBOR (RFC 8949 section 4.2.1), the subset that Kannuki puts on the wire.

Decides whether bytes are one well-formed, shortest-form item: integers of 64 bits, byte strings,
UTF-8 text, arrays, maps with sorted unique keys (integers, text or bytes), false, true, null and
the tags that the caller names. Everything else is refused: floats, indefinite lengths, other
simple values, trailing bytes, depth beyond MAX_DEPTH. For any input, `decode` returns a value or
raises `CborError`; there is exactly one encoding of each value, so a decoded item re-encodes to
the same bytes.
"""

from protocol.shim import Any

MAX_DEPTH = 8
MAX_ITEM_BYTES = 65536

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)


class CborError(ValueError):
    """The bytes are not one item of our subset, or the value has no encoding in it."""


class Tag:
    """A tagged item (RFC 8949 section 3.4): `number` says how `value` is meant."""

    def __init__(self, number: int, value: Any) -> None:
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and (self.number, self.value) == (other.number, other.value)

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return "Tag({}, {!r})".format(self.number, self.value)


def encode(value: Any) -> bytes:
    """The one deterministic encoding of `value`. Raises CborError for types outside the subset."""
    out = bytearray()
    _encode(value, out, 0)
    return bytes(out)


def decode(data: bytes, tags: tuple = ()) -> Any:
    """The value of exactly one item that fills `data`.

    `data` is bytes, bytearray or memoryview; `tags` are the tag numbers to accept.
    Raises CborError, and nothing else, for any other content.
    """
    data = _as_bytes(data)
    value, end = _decode(data, 0, tags, 0)
    if end != len(data):
        raise CborError("trailing bytes")
    return value


def _as_bytes(data: bytes) -> bytes:
    try:
        data = bytes(data) if isinstance(data, (bytearray, memoryview)) else data
    except (TypeError, ValueError):
        raise CborError("not a byte string")
    if not isinstance(data, bytes):
        raise CborError("not a byte string")
    if len(data) > MAX_ITEM_BYTES:
        raise CborError("longer than the largest item")
    return data


# --- encoding ---


def _encode(value: Any, out: bytearray, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CborError("nested too deep")
    if value is None or value is True or value is False:
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _encode_int(value, out)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(_BYTES, len(value), out)
        out.extend(bytes(value))
    elif isinstance(value, str):
        _encode_text(value, out)
    elif isinstance(value, (list, tuple)):
        _head(_ARRAY, len(value), out)
        for item in value:
            _encode(item, out, depth + 1)
    elif isinstance(value, dict):
        _encode_map(value, out, depth)
    elif isinstance(value, Tag) and value.number >= 0:
        _head(_TAG, value.number, out)
        _encode(value.value, out, depth + 1)
    else:
        raise CborError("no encoding for this type")


def _encode_int(value: int, out: bytearray) -> None:
    if value >= 0:
        _head(_UINT, value, out)
    else:
        _head(_NINT, -1 - value, out)


def _encode_text(value: str, out: bytearray) -> None:
    try:
        raw = value.encode()
    except UnicodeError:
        raise CborError("text is not valid Unicode")
    _check_utf8(raw)
    _head(_TEXT, len(raw), out)
    out.extend(raw)


def _encode_map(value: dict, out: bytearray, depth: int) -> None:
    pairs = []
    for key, item in value.items():
        _check_key(key)
        raw_item = bytearray()
        _encode(item, raw_item, depth + 1)
        pairs.append((encode(key), bytes(raw_item)))
    pairs.sort()
    _head(_MAP, len(pairs), out)
    for raw_key, raw_item in pairs:
        out.extend(raw_key)
        out.extend(raw_item)


def _head(major: int, argument: int, out: bytearray) -> None:
    lead = major << 5
    if argument < 24:
        out.append(lead | argument)
    elif argument < 1 << 8:
        out.append(lead | 24)
        out.append(argument)
    elif argument < 1 << 16:
        out.append(lead | 25)
        out.extend(argument.to_bytes(2, "big"))
    elif argument < 1 << 32:
        out.append(lead | 26)
        out.extend(argument.to_bytes(4, "big"))
    elif argument < 1 << 64:
        out.append(lead | 27)
        out.extend(argument.to_bytes(8, "big"))
    else:
        raise CborError("integer beyond 64 bits")


# --- decoding ---


def _decode(data: bytes, at: int, tags: tuple, depth: int) -> tuple:
    if depth > MAX_DEPTH:
        raise CborError("nested too deep")
    major, argument, at = _read_head(data, at)
    if major == _UINT:
        return argument, at
    if major == _NINT:
        return -1 - argument, at
    if major == _BYTES:
        return _take(data, at, argument)
    if major == _TEXT:
        raw, at = _take(data, at, argument)
        return _text(raw), at
    if major == _ARRAY:
        return _decode_array(data, at, argument, tags, depth)
    if major == _MAP:
        return _decode_map(data, at, argument, tags, depth)
    if major == _TAG:
        return _decode_tag(data, at, argument, tags, depth)
    return _simple(argument), at


def _read_head(data: bytes, at: int) -> tuple:
    if at >= len(data):
        raise CborError("truncated")
    major, argument = data[at] >> 5, data[at] & 31
    at += 1
    if argument < 24:
        return major, argument, at
    if argument > 27 or major == _SIMPLE:
        raise CborError("indefinite length, float or reserved form")
    size = 1 << (argument - 24)
    raw, at = _take(data, at, size)
    value = int.from_bytes(raw, "big")
    if value < 24 or (size > 1 and value >> (size * 4) == 0):
        raise CborError("not the shortest form")
    return major, value, at


def _take(data: bytes, at: int, size: int) -> tuple:
    if size > len(data) - at:
        raise CborError("truncated")
    return data[at : at + size], at + size


def _text(raw: bytes) -> str:
    _check_utf8(raw)
    return raw.decode()


def _check_utf8(raw: bytes) -> None:
    """Raise unless `raw` is UTF-8 (RFC 3629). Ours, because MicroPython's decoder is lax."""
    at, size = 0, len(raw)
    while at < size:
        lead = raw[at]
        if lead < 0x80:
            at += 1
            continue
        extra = 1 if 0xC2 <= lead < 0xE0 else 2 if 0xE0 <= lead < 0xF0 else 3
        if lead < 0xC2 or lead > 0xF4 or at + extra >= size:
            raise CborError("text is not UTF-8")
        if not _good_tail(raw, at, lead, extra):
            raise CborError("text is not UTF-8")
        at += 1 + extra


def _good_tail(raw: bytes, at: int, lead: int, extra: int) -> bool:
    low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
    high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
    if not low <= raw[at + 1] <= high:
        return False
    return all(raw[at + i] & 0xC0 == 0x80 for i in range(2, extra + 1))


def _decode_array(data: bytes, at: int, count: int, tags: tuple, depth: int) -> tuple:
    if count > len(data) - at:
        raise CborError("truncated")
    items = []
    for _ in range(count):
        item, at = _decode(data, at, tags, depth + 1)
        items.append(item)
    return items, at


def _decode_map(data: bytes, at: int, count: int, tags: tuple, depth: int) -> tuple:
    if 2 * count > len(data) - at:
        raise CborError("truncated")
    items = {}
    previous = b""
    for _ in range(count):
        start = at
        key, at = _decode(data, at, tags, depth + 1)
        _check_key(key)
        if data[start:at] <= previous:
            raise CborError("map keys are not sorted and unique")
        previous = data[start:at]
        items[key], at = _decode(data, at, tags, depth + 1)
    return items, at


def _check_key(key: Any) -> None:
    if isinstance(key, bool) or not isinstance(key, (int, str, bytes)):
        raise CborError("map keys are integers, text or bytes")


def _decode_tag(data: bytes, at: int, number: int, tags: tuple, depth: int) -> tuple:
    if number not in tags:
        raise CborError("unexpected tag")
    value, at = _decode(data, at, tags, depth + 1)
    return Tag(number, value), at


def _simple(argument: int) -> Any:
    if argument == 20:
        return False
    if argument == 21:
        return True
    if argument == 22:
        return None
    raise CborError("simple value outside the subset")
