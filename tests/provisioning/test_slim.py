"""What is left of a tree's modules before they are compiled, and that it still does the same."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from provisioning.slim import slim

WIRE = """
FIRST, SECOND = range(2)
LIMIT = 4 * 8
NAME = "lock"
TABLE = {FIRST: "a", SECOND: "b"}


class WireError(ValueError):
    pass


def check(message: bytes, size: int = LIMIT) -> bytes:
    if len(message) > size:
        raise WireError("too long for " "us")
    return message


def only_the_other_side(message: bytes) -> bytes:
    return check(message)
"""
LOCK = """
from protocol import wire
from protocol.wire import (
    SECOND,
    TABLE,
    check,
    only_the_other_side,
)


class Lock:
    def __init__(self, limit):
        self.limit = limit

    def run(self, message, *, kept=1):
        inner = lambda message: message + wire.NAME.encode()
        return inner(check(message, self.limit)), TABLE[SECOND], kept, wire.FIRST

    def never(self):
        return only_the_other_side(b"")
"""
SOURCES = {"protocol.wire": WIRE, "firmware.lock": LOCK}
ROOTS = {"Lock", "run"}


def slimmed(**fixed: set[str]) -> dict[str, str]:
    return slim(SOURCES, fixed.get("fixed", set()), ROOTS)


def loaded(sources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The lock's module, run from these sources."""
    for name in ("protocol", *sources):
        module = ModuleType(name)
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
        exec(sources.get(name, ""), vars(module))  # noqa: S102  sources of this test
        parent, _, child = name.rpartition(".")
        if parent == "protocol":
            setattr(sys.modules[parent], child, module)
    return sys.modules["firmware.lock"]


@pytest.mark.parametrize("make", [lambda: SOURCES, slimmed])
def test_it_does_what_it_did(make, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded(make(), monkeypatch)
    lock = module.Lock(4)
    assert lock.run(b"open") == (b"openlock", "b", 1, 0)
    with pytest.raises(sys.modules["protocol.wire"].WireError):
        lock.run(b"longer")


def test_numbers_and_short_texts_stand_where_they_are_read() -> None:
    wire = slimmed()["protocol.wire"]
    assert "LIMIT" not in wire
    assert "NAME" not in wire
    assert "size" not in wire.replace("size: int", "")
    assert '{(0): "a", (1): "b"}' in wire


def test_what_nobody_names_goes_with_its_import() -> None:
    found = slimmed()
    assert "only_the_other_side" not in found["protocol.wire"] + found["firmware.lock"]
    assert "from protocol.wire import TABLE, check" in found["firmware.lock"]


def test_errors_of_the_protocol_lose_their_text_and_keep_their_kind() -> None:
    assert "raise WireError()" in slimmed()["protocol.wire"].replace("\n", "")


def test_a_parameter_that_is_passed_by_name_keeps_it() -> None:
    source = {"firmware.a": "def run(kept, other):\n    return kept - other\n\nrun(1, kept=2)\n"}
    assert "def run(kept, _0):\n    return kept - _0" in slim(source, set(), ROOTS)["firmware.a"]


def test_an_inner_function_never_takes_the_name_of_an_outer_parameter() -> None:
    source = "def run(a, b):\n    def inner(a):\n        return a, b\n    return inner(3), a\n"
    space: dict[str, object] = {}
    exec(slim({"firmware.a": source}, set(), ROOTS)["firmware.a"], space)  # noqa: S102
    assert space["run"](1, 2) == ((3, 2), 1)  # type: ignore[operator]


def test_modules_with_machine_code_stay_as_they_are_and_keep_what_they_name() -> None:
    found = slimmed(fixed={"firmware.lock"})
    assert found["firmware.lock"] == LOCK
    for name in ("SECOND", "NAME", "FIRST", "only_the_other_side"):
        assert name in found["protocol.wire"]


def test_every_line_keeps_its_number() -> None:
    assert {name: text.count("\n") for name, text in slimmed().items()} == {
        name: text.count("\n") for name, text in SOURCES.items()
    }


def test_private_functions_of_all_modules_share_a_few_names() -> None:
    """But what another module asks for, or a parameter hides, keeps its name."""
    one = "def _a(x):\n    return x + 1\n\n\ndef run(y):\n    return _a(y)\n"
    two = """
class _Kept:
    def go(self):
        return [_inner(each) for each in (1, 2)]


def _inner(x):
    return x * 2


def _hidden(x):
    return x


def both(_hidden):
    return _Kept().go(), _hidden


def _shown():
    return 3
"""
    three = "from firmware.two import _shown\n\n\ndef tell():\n    return _shown()\n"
    sources = {"firmware.one": one, "firmware.two": two, "firmware.three": three}
    made = slim(sources, set(), {"run", "both", "tell", "go"})
    assert "def _f0(" in made["firmware.one"] and "class _f0:" in made["firmware.two"]
    assert "def _shown()" in made["firmware.two"]
    here: dict = {}
    exec(made["firmware.one"] + made["firmware.two"], here)  # noqa: S102
    assert here["both"](5) == ([2, 4], 5)
