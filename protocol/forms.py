"""The small checks that every decoder makes of a CBOR item's shape. Decides nothing by itself.

`error` is the exception class of the module that asks, so that each decoder raises only its own.
"""

from protocol import cbor
from protocol.cbor import CborError
from protocol.shim import Any


def array(raw: bytes, count: int, error: type) -> list:
    """The members of `raw`, one CBOR array of exactly `count` items. Raises `error`."""
    try:
        members = cbor.decode(raw)
    except CborError as failure:
        raise error(str(failure))
    need(isinstance(members, list) and len(members) == count, error)
    return members


def need(condition: bool, error: type) -> None:
    """Raise `error` unless `condition` holds."""
    if not condition:
        raise error("unexpected form")


def is_uint(value: Any) -> bool:
    """Whether `value` is an integer from 0 on (a bool is none)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def are_uints(*values: Any) -> bool:
    """Whether all of `values` are."""
    return all(is_uint(value) for value in values)


def is_bytes(value: Any, length: int) -> bool:
    """Whether `value` is a byte string of exactly `length` bytes."""
    return isinstance(value, bytes) and len(value) == length
