"""The protocol's vectors, read by the modules that pages load, in Node and in a real Chromium.

A file of vectors is either read to the last member or named in `ELSEWHERE` with a reason.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.protocol.differential import judged_inputs
from tests.browser.protocol.runners import HERE, ROOT, RUNTIMES, report_of

pytestmark = pytest.mark.slow

VECTORS = ROOT / "protocol" / "vectors"
PAGES = ROOT / "cloud" / "pages" / "protocol"
BOTH = pytest.mark.parametrize("runtime", sorted(RUNTIMES))


@BOTH
def test_every_vector_that_concerns_a_holder_is_read_to_the_last_member(
    runtime: str, record_property: pytest.RecordProperty
) -> None:
    report = report_of(runtime, "./vectors.js")
    record_property("vector members read", report["files"])
    assert report["failures"] == []
    assert report["unread"] == []
    assert report["checks"] > 1400
    read, left = set(report["files"]), set(report["elsewhere"])
    assert read | left == {file.stem for file in VECTORS.glob("*.json")}
    assert read & left == set()
    assert all(len(reason) > 20 for reason in report["elsewhere"].values())


def test_a_member_that_nobody_reads_and_a_wrong_one_are_noticed() -> None:
    """The suite itself can fail."""
    report = report_of("node", "./vectors.js", spoil="unread")
    assert report["unread"] == ["gatt/names/0/surprise"]
    report = report_of("node", "./vectors.js", spoil="wrong")
    assert report["failures"] == ["TIME_REJECTED: got true, wanted false"]


@BOTH
def test_python_and_javascript_give_the_same_verdict_on_broken_bytes(runtime: str) -> None:
    """The mutations of tests/protocol/decoders.py: taken here is taken there, and the other way."""
    inputs = judged_inputs(rounds=250)
    report = report_of(runtime, "./garbage.js", inputs=inputs)
    assert report["failures"] == []
    assert report["compared"] == len(inputs)
    assert min(report["taken"], report["refused"]) > 100


@BOTH
def test_no_garbage_moves_a_holder_or_throws_something_unknown(runtime: str) -> None:
    report = report_of(runtime, "./garbage.js", seed=20_261_122, rounds=1500)
    assert report["failures"] == []
    assert report["checks"] > 5000


@BOTH
def test_what_a_lock_or_somebody_in_between_may_try(runtime: str) -> None:
    report = report_of(runtime, "./attacks.js")
    assert report["failures"] == []
    assert report["attacks"] >= 13
    assert report["checks"] > 100


def test_the_modules_are_plain_and_stay_among_themselves() -> None:
    """No framework, no build step, no other origin, and nothing that a strict page forbids."""
    for file in PAGES.glob("*.js"):
        source = file.read_text(encoding="utf-8")
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)
        assert re.findall(r'from "(?!\./)', code) == [], file.name
        for banned in ("innerHTML", "eval(", "Function(", "https://", "localStorage", "console."):
            assert banned not in code, (file.name, banned)
        assert source.startswith("/**"), f"{file.name} does not say what it decides"
        assert max(map(len, source.splitlines())) <= 100, file.name
    assert (Path(ROOT) / HERE).is_dir()
