"""`kannuki bench gateway` in its smallest form: the shape of its figures, not their size."""

from __future__ import annotations

import pytest

from kannuki.bench import measure
from simulator import bench_gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SHARES = ("p50_ms", "p95_ms", "p99_ms")
BASELINES = ("bare_broker_round_trip", "bare_bleak_write", "bare_bleak_notify")
ADDED = ("added_broker_to_gatt", "added_gatt_to_broker", "open_session")


def test_the_bench_measures_a_relay_beside_its_two_baselines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_gateway, "run", lambda _full: bench_gateway.run_for((1,), 0.5))
    told = measure("gateway", full=False)
    assert told["note"] == "virtual radio, no connection interval"
    for name in BASELINES:
        least, usual, most = (told[f"{name}_{share}"] for share in SHARES)
        assert 0 < least <= usual <= most
    for name in ADDED:
        least, usual, most = (told[f"locks_1_{name}_{share}"] for share in SHARES)
        assert least <= usual <= most
    assert told["locks_1_relayed_commands_per_s"] > 0
    assert (told["locks_1_greeted"], told["locks_1_refused_busy"]) == (1, 0)


def test_figures_of_nothing_are_left_out_and_those_of_something_are_in_order() -> None:
    assert bench_gateway._percentiles("x", []) == {}
    told = bench_gateway._percentiles("x", [float(n) for n in range(100, 0, -1)])
    assert told == {"x_p50_ms": 51.0, "x_p95_ms": 96.0, "x_p99_ms": 100.0}
