"""The metrics page: read by Prometheus's own parser, bounded by the locks, silent on residents."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from gateway.health import report as reports
from gateway.health.host import ClockSync, Room
from gateway.health.metrics import COUNTERS, PREFIX, Exposition
from gateway.health.monitor import HealthOptions
from gateway.health.report import OutboxHead, Report
from gateway.health.serving import serving
from gateway.machine import Survey
from kannuki.errors import InputError
from kannuki.messages import LockState
from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A, LOCK_B, LOCK_C, T0
from tests.gateway.health.town import make_app, mosquitto, running, until

UNITS = ("_seconds", "_bytes", "_total", "_info", "_events")
PLAIN = {"broker_connected", "locks", "links", "links_max", "storage_working"}
PLAIN |= {"clock_synchronized", "lock_reachable", "lock_jammed"}


def lock_state(**changes: object) -> LockState:
    state = LockState(reachable=True, seen_at=T0, bolt="locked", time_lo=T0 - 1, time_hi=T0 + 2)
    return state.model_copy(update=changes)


def a_report(locks: dict[str, LockState | None], **changes: object) -> Report:
    survey = Survey(True, True, 1, 2, 3, 7, 42, locks, {"visits_failed": 5, "a_new_thing": 1})
    values = {
        "wall": T0, "town": "misaki", "gateway_id": "gw-1", "version": "1.2.3", "started_at": T0,
        "survey": survey, "outbox_head_s": 12.0, "clock": ClockSync(True, 0.25),
        "room": Room(10**9, 10**10), "credential_ends": dict.fromkeys(locks, T0 + 60.0),
        "certificate_ends": {"own": T0 + 3600.0},
    }  # fmt: skip
    return Report(**(values | changes))  # type: ignore[arg-type]


def page(report: Report) -> dict[str, Metric]:
    text, _ = Exposition(lambda: report).page()
    return {family.name.removeprefix(f"{PREFIX}_"): family for family in parse(text.decode())}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    return next(s.value for s in found[name].samples if labels.items() <= s.labels.items())


def test_every_figure_is_there_under_its_own_name_and_unit() -> None:
    found = page(a_report({LOCK_A: lock_state(), LOCK_B: lock_state(bolt="jammed")}))
    assert value(found, "outbox_events") == 7
    assert value(found, "outbox_head_age_seconds") == 12
    assert value(found, "links", use="resident") == 1
    assert value(found, "links", use="housekeeping") == 2
    assert value(found, "lock_reachable", lock=LOCK_A) == 1
    assert value(found, "lock_jammed", lock=LOCK_B) == 1
    assert value(found, "lock_last_seen_timestamp_seconds", lock=LOCK_A) == T0
    assert value(found, "lock_clock_doubt_seconds", lock=LOCK_A) == 3
    assert value(found, "lock_credential_expiry_timestamp_seconds", lock=LOCK_A) == T0 + 60
    assert value(found, "certificate_expiry_timestamp_seconds", certificate="own") == T0 + 3600
    assert value(found, "data_free_bytes") == 10**9
    assert value(found, "clock_synchronized") == 1
    assert value(found, "visits_failed") == 5
    assert value(found, "visits_finished") == 0
    assert value(found, "a_new_thing") == 1
    assert value(found, "build_info", version="1.2.3", town="misaki") == 1


def test_names_follow_the_conventions_and_help_is_a_sentence() -> None:
    for name, family in page(a_report({LOCK_A: lock_state()})).items():
        sampled = {sample.name.removeprefix(f"{PREFIX}_") for sample in family.samples}
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert all(each.endswith(UNITS) or each in PLAIN for each in sampled), sampled
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")


def test_prometheus_may_ask_for_openmetrics() -> None:
    report = a_report({LOCK_A: lock_state()})
    text, kind = Exposition(lambda: report).page("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(text.decode())} >= {f"{PREFIX}_locks"}


def test_the_number_of_series_is_bounded_by_the_locks_whatever_they_say() -> None:
    def series(count: int) -> int:
        locks = {f"lock{n:04d}": lock_state() for n in range(count)}
        return sum(len(family.samples) for family in page(a_report(locks)).values())

    per_lock = series(1) - series(0)
    assert series(64) == series(0) + 64 * per_lock
    assert per_lock <= 8
    labels = {
        label
        for family in page(a_report({LOCK_A: lock_state()})).values()
        for sample in family.samples
        for label in sample.labels
    }
    assert labels == {"lock", "use", "certificate", "version", "town", "gateway"}


def test_whether_a_room_is_in_use_is_not_told() -> None:
    quiet = lock_state(door="closed", bolt="locked", head_seq=10, held_open=False)
    busy = lock_state(door="open", bolt="unlocked", head_seq=99, held_open=True)
    pages = [Exposition(lambda s=s: a_report({LOCK_A: s})).page()[0] for s in (quiet, busy)]
    assert pages[0] == pages[1]


def test_what_is_not_known_is_left_out_and_not_called_zero() -> None:
    survey = Survey(False, False, 0, 0, 3, None, None, {LOCK_A: None}, {})
    found = page(a_report({LOCK_A: None}, survey=survey, clock=None, room=None))
    assert value(found, "storage_working") == 0
    assert value(found, "lock_reachable", lock=LOCK_A) == 0
    assert not {"outbox_events", "data_free_bytes", "clock_synchronized"} & found.keys()
    assert not found["lock_last_seen_timestamp_seconds"].samples


def test_a_lock_that_does_not_know_the_time_is_in_infinite_doubt() -> None:
    found = page(a_report({LOCK_A: lock_state(time_hi=None)}))
    assert value(found, "lock_clock_doubt_seconds", lock=LOCK_A) == float("inf")


@pytest.mark.parametrize(
    ("lo", "hi", "ahead_s"), [(-5, 5, 0), (60, 70, -60), (-70, -60, 60), (-1, None, 0)]
)
def test_our_clock_is_held_against_the_time_that_a_lock_has_signed(
    lo: int, hi: int | None, ahead_s: int
) -> None:
    state = lock_state(time_lo=T0 + lo, time_hi=None if hi is None else T0 + hi)
    assert reports.clock_ahead_s(state) == ahead_s


def test_the_head_of_the_outbox_ages_until_another_event_takes_its_place() -> None:
    head = OutboxHead()
    assert [head.age_s(n, at) for n, at in [(None, 1), (7, 5), (7, 65), (8, 70), (None, 90)]] == [
        0, 0, 60, 0, 0,
    ]  # fmt: skip


def test_every_counter_of_the_machine_has_a_name_and_a_meaning(checkout: Path) -> None:
    counted = set()
    for path in (checkout / "gateway" / "machine").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("counters.add"):
                branches = [b for b in ast.walk(node.args[0]) if isinstance(b, ast.Constant)]
                counted |= {b.value for b in branches if isinstance(b.value, str)}
    assert len(counted) > 10
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in counted)
    assert COUNTERS.keys() <= counted, "a counter that nobody counts"
    assert counted <= COUNTERS.keys(), "say in gateway/health/metrics.py what it means"


async def test_one_page_is_served_read_only_and_only_where_told() -> None:
    report = a_report({LOCK_A: lock_state()})
    async with (
        serving(Exposition(lambda: report), "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as session,
    ):
        site = f"http://127.0.0.1:{port}"
        async with session.get(f"{site}/metrics") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/plain"
            assert list(parse(await answer.text()))
        for method, path in (("POST", "/metrics"), ("GET", "/"), ("GET", "/metrics/x")):
            async with session.request(method, site + path) as answer:
                assert answer.status in (404, 405)
        with pytest.raises(InputError, match="Address already in use"):
            async with serving(Exposition(lambda: report), "127.0.0.1", port):
                pass


async def test_a_gateway_at_work_tells_of_itself_and_its_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, metrics_port = free_port(), free_port()
    options = HealthOptions(metrics=("127.0.0.1", metrics_port))
    async with mosquitto(tmp_path / "broker", port), aiohttp.ClientSession() as session:
        app = make_app(tmp_path, monkeypatch, [LOCK_A, LOCK_C], port, options)

        async def figures() -> dict[str, Metric]:
            async with session.get(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
                families = parse(await answer.text())
            return {family.name.removeprefix(f"{PREFIX}_"): family for family in families}

        async with running(app):
            await until(lambda: app._machine.counters["visits_finished"])
            await until(lambda: app._machine.counters["visits_failed"])
            await until(lambda: app._machine.survey().is_online)
            found = await figures()
    assert value(found, "broker_connected") == 1
    assert value(found, "visits_finished") >= 1
    assert value(found, "lock_reachable", lock=LOCK_A) == 1
    assert value(found, "lock_reachable", lock=LOCK_C) == 0
    assert value(found, "data_free_bytes") > 0


async def test_a_port_that_is_taken_costs_the_metrics_and_not_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    taken = other.sockets[0].getsockname()[1]
    options = HealthOptions(metrics=("127.0.0.1", taken))
    app = make_app(tmp_path, monkeypatch, [LOCK_A], free_port(), options)
    async with running(app):
        await until(lambda: app._machine.counters["visits_finished"])
    other.close()
    await other.wait_closed()
    assert "cannot serve metrics" in caplog.text
