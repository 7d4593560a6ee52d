"""`kannuki bench cloud` measures what it says, however fast the machine has become."""

from __future__ import annotations

import pytest

from cloud import bench


@pytest.mark.slow
def test_every_figure_is_measured_though_bookings_fill_many_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "_SLOT_S", 12 * 3600)  # a few dozen bookings reach beyond a week
    told = bench.run_for(0.5, 0.2)
    for kind in ("sqlite", "postgresql"):
        assert told[f"{kind}_bookings_per_s"] > 0
        assert 0 < told[f"{kind}_bookings_to_bare_ratio"] < 1
        for name in ("bare", "claim", "documents"):
            assert told[f"{kind}_key_page_{name}_p95_ms"] > 0
    assert 0 < told["tokens_to_bare_ratio"] < 1
