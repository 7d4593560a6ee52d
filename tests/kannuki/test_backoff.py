"""Delays before trying again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kannuki.backoff import Backoff


@pytest.mark.parametrize(("failures", "wanted_s"), [(1, 1), (2, 2), (3, 4), (4, 5), (400, 5)])
def test_delays_double_up_to_the_longest(failures: int, wanted_s: float) -> None:
    assert Backoff(first_s=1, max_s=5).delay_s(failures, 0.0) == wanted_s


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_chance_takes_away_at_most_the_spread(failures: int, chance: float) -> None:
    policy = Backoff(first_s=0.2, max_s=10, spread=0.5)
    whole = policy.delay_s(failures, 0.0)
    assert 0.1 <= whole / 2 <= policy.delay_s(failures, chance) <= whole <= 10


def test_a_healthy_run_makes_the_next_failure_a_first() -> None:
    policy = Backoff(healthy_after_s=30)
    assert policy.failures_after(5, ran_s=1) == 6
    assert policy.failures_after(5, ran_s=30) == 1
