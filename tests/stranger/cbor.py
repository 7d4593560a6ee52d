"""CBOR as section 1 of wire.md allows it. One encoding for each value; all else is `Refused`."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 8
UINT, NINT, BSTR, TSTR, ARRAY, MAP, TAG, SIMPLE = range(8)
SIMPLES: dict[int, Any] = {20: False, 21: True, 22: None}


class Refused(ValueError):
    """The bytes are not of the form that the specification gives."""


def need(condition: bool, what: str) -> None:
    if not condition:
        raise Refused(what)


def head(major: int, argument: int) -> bytes:
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 24:
            return bytes([major << 5 | argument])
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise Refused("beyond 64 bits")


def encode(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return head(SIMPLE, {False: 20, True: 21, None: 22}[value])
    if isinstance(value, int):
        return head(UINT, value) if value >= 0 else head(NINT, -1 - value)
    if isinstance(value, bytes):
        return head(BSTR, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(TSTR, len(text)) + text
    if isinstance(value, list | tuple):
        return head(ARRAY, len(value)) + b"".join(encode(item) for item in value)
    assert isinstance(value, dict)
    pairs = sorted((encode(key), encode(item)) for key, item in value.items())
    return head(MAP, len(pairs)) + b"".join(key + item for key, item in pairs)


def decode(raw: bytes, tag: int | None = None) -> Any:
    """The value of `raw`, which must be wholly used; with `tag`, that tag must come first."""
    at = 0
    if tag is not None:
        need(raw.startswith(head(TAG, tag)), "another tag")
        at = len(head(TAG, tag))
    value, at = _item(raw, at, 0)
    need(at == len(raw), "trailing bytes")
    return value


def _take(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    need(at + size <= len(raw), "cut short")
    return raw[at : at + size], at + size


def _head(raw: bytes, at: int) -> tuple[int, int, int]:
    first, end = _take(raw, at, 1)
    major, argument = first[0] >> 5, first[0] & 31
    need(argument < 28, "reserved or indefinite")
    if argument >= 24:
        more, end = _take(raw, end, 1 << argument - 24)
        argument = int.from_bytes(more, "big")
    if major == SIMPLE:
        need(end == at + 1, "a float or a long simple value")
    need(raw[at:end] == head(major, argument), "longer than needed")
    return major, argument, end


def _item(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    need(depth <= MAX_DEPTH, "nested too deeply")
    major, argument, at = _head(raw, at)
    if major in (UINT, NINT):
        return (argument if major == UINT else -1 - argument), at
    if major in (BSTR, TSTR):
        data, at = _take(raw, at, argument)
        return (data if major == BSTR else _text(data)), at
    if major in (ARRAY, MAP):
        return (_array if major == ARRAY else _map)(raw, at, argument, depth + 1)
    need(major == SIMPLE and argument in SIMPLES, "a tag or a simple value")
    return SIMPLES[argument], at


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "strict")
    except UnicodeDecodeError as wrong:
        raise Refused("not UTF-8") from wrong


def _array(raw: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    need(count <= len(raw) - at, "cut short")
    items = []
    for _ in range(count):
        item, at = _item(raw, at, depth)
        items.append(item)
    return items, at


def _map(raw: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    need(2 * count <= len(raw) - at, "cut short")
    pairs: dict[Any, Any] = {}
    last = b""
    for _ in range(count):
        start = at
        key, at = _item(raw, at, depth)
        need(type(key) in (int, str, bytes), "a key of another kind")
        need(raw[start:at] > last, "keys out of order")
        last = raw[start:at]
        pairs[key], at = _item(raw, at, depth)
    return pairs, at
