"""Policies and wishes for property tests: small towns, but with every kind of rule in them."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from cloud.booking.policy import DAYS, Rules
from cloud.booking.spans import Span

DAY = date(2026, 12, 7)  # a Monday
CATEGORIES = st.sampled_from(["resident", "outside", "commercial"])


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@st.composite
def openings(draw: st.DrawFn) -> list[tuple[str, str]]:
    edges = sorted(draw(st.sets(st.integers(0, 48), max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [(clock(a * 30), clock(b * 30)) for a, b in pairs]


@st.composite
def prices(draw: st.DrawFn) -> dict[str, int]:
    yen = st.integers(0, 3000)
    return {name: draw(yen) for name in ("resident", "outside", "commercial")}


@st.composite
def bands(draw: st.DrawFn) -> dict[str, Any]:
    first, last = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=2)))
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True))
    edges = {"from": clock(first * 15), "to": clock(last * 15)}
    return edges | {"days": days, "prices": draw(prices())}


@st.composite
def fee_tables(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "per": draw(st.sampled_from(["hour", "slot", "band"])),
        "base": draw(prices()),
        "bands": draw(st.lists(bands(), max_size=3)),
        "round_down_to": draw(st.sampled_from([1, 10, 100])),
        "reduces_commercial": draw(st.booleans()),
    }


@st.composite
def rules(draw: st.DrawFn, **fixed: Any) -> Rules:
    slot = draw(st.sampled_from([15, 30, 60]))
    shortest = slot * draw(st.integers(1, 3))
    longest = max(shortest, slot * draw(st.integers(1, 12)))
    made = {
        "hours": {day: draw(openings()) for day in DAYS},
        "slot_minutes": slot,
        "shortest_minutes": shortest,
        "longest_minutes": longest,
        "setup_minutes": draw(st.sampled_from([0, 10, 30])),
        "cleaning_minutes": draw(st.sampled_from([0, 15, 45])),
        "notice_minutes": draw(st.sampled_from([0, 60, 1440])),
        "ahead_days": draw(st.integers(0, 14)),
        "fees": draw(st.none() | fee_tables()),
    }
    return Rules.model_validate(made | fixed)


@st.composite
def spans(draw: st.DrawFn, first: int, last: int) -> Span:
    """Any span on quarter hours between two moments."""
    a, b = sorted(draw(st.lists(st.integers(0, (last - first) // 900), min_size=2, max_size=2)))
    return Span(first + a * 900, first + b * 900)
