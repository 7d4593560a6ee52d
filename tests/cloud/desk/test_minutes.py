"""Minutes saved: exact, stated, and never better for more work by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.desk.minutes import ASSUMPTIONS, Tally, effect

_N = st.integers(0, 10_000)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    uses = draw(_N)
    own = draw(st.integers(0, uses))
    return Tally(uses, own, draw(_N), draw(_N), draw(_N), draw(_N))


def test_the_pilots_own_work_gives_the_pilots_own_figures() -> None:
    """48 uses with 12 approvals and 48 key URLs are 156 minutes, 24 with own keys are 784."""
    staff = effect(Tally(uses=48, own_key=48, approvals=12, keys=48))["staff"]
    assert (staff["before"], staff["now"], staff["same_uses"]) == (360.0, 156.0, 156.0)
    residents = effect(Tally(uses=24, own_key=24))["residents"]
    assert (residents["before"], residents["now"], residents["saved"]) == (936.0, 784.0, 152.0)


def test_a_use_without_an_own_key_spares_a_resident_nothing() -> None:
    assert effect(Tally(uses=10, own_key=0))["residents"]["saved"] == 0


def test_without_uses_nothing_is_put_beside_the_pilot() -> None:
    told = effect(Tally(approvals=3))
    assert told["staff"]["same_uses"] is None and told["residents"]["same_uses"] is None
    assert told["staff"]["saved"] == -15.0  # work without a use is told as a loss, not hidden


def test_every_assumption_that_is_used_is_told_with_its_source() -> None:
    told = {each["code"]: each for each in effect(Tally())["assumptions"]}
    assert set(told) == set(ASSUMPTIONS)
    assert {each["source"] for each in told.values()} == {"pilot", "derived", "ours"}
    assert told["staff.approval"]["minutes"] == 5 and told["staff.key"]["minutes"] == 2


@given(tallies())
def test_more_work_by_hand_never_saves_more(tally: Tally) -> None:
    before = effect(tally)["staff"]["saved"]
    for name in ("approvals", "keys", "bookings", "openings"):
        more = replace(tally, **{name: getattr(tally, name) + 1})
        assert effect(more)["staff"]["saved"] < before


@given(tallies())
def test_saved_is_what_is_left_between_before_and_now(tally: Tally) -> None:
    for side in ("residents", "staff"):
        told = effect(tally)[side]
        assert told["saved"] == pytest.approx(told["before"] - told["now"], abs=0.11)


def test_more_own_keys_than_uses_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="own key"):
        Tally(uses=1, own_key=2)
