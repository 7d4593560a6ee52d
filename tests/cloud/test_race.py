"""Racing for one slot by HTTP, on both databases, and what the measurement of the cloud tells."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cloud import bench
from cloud.race import race
from kannuki.errors import EXIT_FAILED

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_many_that_race_for_one_slot_one_wins_and_the_others_are_told(database: str) -> None:
    argv = ["--attempts", "120", "--connections", "40", "--json"]
    argv += ["--postgres"] if database == "postgresql" else []
    told = json.loads(CliRunner().invoke(race, argv, standalone_mode=False).output)
    assert (told["ok"], told["database"]) == (True, database)
    assert (told["won"], told["told_taken"], told["bookings_in_database"]) == (1, 119, 1)
    assert told["other_answers"] == {}


def test_race_that_goes_wrong_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_winners(*_args: object) -> dict[str, object]:
        return {"ok": False, "won": 2}

    monkeypatch.setattr("cloud.race.run", two_winners)
    result = CliRunner().invoke(
        race, ["--attempts", "2", "--processes", "1"], standalone_mode=False
    )
    assert (result.return_value, "WRONG" in result.output) == (EXIT_FAILED, True)


def test_bench_tells_each_figure_with_its_baseline() -> None:
    told = bench.run_for(0.2, 0.2)
    for kind in ("sqlite", "postgresql"):
        assert told[f"{kind}_bookings_per_s"] > 0
        assert 0 < told[f"{kind}_bookings_to_bare_ratio"] < 1.5
        assert told[f"{kind}_key_page_claim_p95_ms"] >= told[f"{kind}_key_page_claim_p50_ms"]
    assert 0 < told["tokens_to_bare_ratio"] < 1
