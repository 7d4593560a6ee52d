"""A report as Prometheus metrics (text format 0.0.4, and OpenMetrics where it is asked for).

Decides names, units and helps, after https://prometheus.io/docs/practices/naming/: they are what
dashboards and alarms are built on, so a name is never reused for something else. Labels are ids of
locks, and constants: the number of series is bounded by the gateway file. Whether a door is open or
a room in use is not told here: who reads metrics has no business knowing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from gateway.health import report as reports
from gateway.health.report import Report

PREFIX = "kannuki_gateway"

# What the machine counts. One that is not listed is exported all the same, once it has happened.
COUNTERS = {
    "commands": "Commands taken from the broker.",
    "garbage_commands": "Payloads on command topics that are no command.",
    "garbage_fragments": "Fragments of locks that fit no message.",
    "stray_link_events": "Reports of the radio about links that nobody asked for.",
    "stray_time_answers": "Signed times that no visit waited for.",
    "links_overdue": "Connections that took too long to make or to end.",
    "visits_finished": "Housekeeping visits that did all there was to do.",
    "visits_failed": "Housekeeping visits that ended early.",
    "visits_interrupted": "Housekeeping visits that gave way to a resident.",
    "visits_cut_short": "Housekeeping visits that were long enough while others waited.",
    "locks_missed": "Times a lock was not heard for so long that it was looked for.",
    "relays_of_others": "Commands of relays that another gateway was named for.",
    "tokens_taken": "Tokens brought ahead of their holders.",
    "tokens_refused": "Tokens brought ahead that a lock would not have.",
    "introductions_refused": "Times a lock would not know this gateway before a resident's turn.",
    "events_stored": "Batches of audit records put in the outbox.",
    "events_acknowledged": "Events that the town has taken for good.",
    "times_asked": "Signed times asked of the town.",
    "times_taken": "Signed times that a lock believed.",
    "times_refused": "Signed times that a lock would not have.",
    "times_missed": "Visits that waited for a signed time in vain.",
    "storage_errors": "Times the disk did not store or answer.",
}


class _Latest:
    """A collector of one report at a time."""

    def __init__(self, latest: Callable[[], Report]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        report = self._latest()
        yield from _about_gateway(report)
        yield from _about_outbox(report)
        yield from _about_computer(report)
        yield from _about_locks(report)
        yield from _counters(report)

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for at registration: there may be no report yet."""
        return []


class Exposition:
    """`page(accept)`: the metrics of now, and their content type."""

    def __init__(self, latest: Callable[[], Report]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Latest(latest))

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """In the format that the reader prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _about_gateway(report: Report) -> Iterator[Metric]:
    survey = report.survey
    about = {"version": report.version, "town": report.town, "gateway": report.gateway_id}
    yield InfoMetricFamily(f"{PREFIX}_build", "Which program this is, and where.", value=about)
    yield _gauge("start_time_seconds", "When it started, Unix time.", report.started_at)
    yield _gauge("broker_connected", "1 while the broker is connected.", survey.is_online)
    yield _gauge("locks", "Locks in the gateway file.", len(survey.locks))
    links = GaugeMetricFamily(
        f"{PREFIX}_links", "Radio links in use, up or being made.", labels=["use"]
    )
    links.add_metric(["resident"], survey.links_for_residents)
    links.add_metric(["housekeeping"], survey.links_for_housekeeping)
    yield links
    yield _gauge("links_max", "Radio links that may be in use at once.", survey.max_links)


def _about_outbox(report: Report) -> Iterator[Metric]:
    survey = report.survey
    yield _gauge("storage_working", "1 while the disk stores what it is given.", survey.is_storing)
    if survey.waiting_events is None:
        return  # unknown is not zero
    yield _gauge(
        "outbox_events", "Events that the town has not acknowledged.", survey.waiting_events
    )
    text = "How long the same event has been the oldest in the outbox."
    yield _gauge("outbox_head_age_seconds", text, report.outbox_head_s)


def _about_computer(report: Report) -> Iterator[Metric]:
    if report.room is not None:
        free, total = report.room.free, report.room.total
        yield _gauge("data_free_bytes", "Room left where events are kept.", free)
        yield _gauge("data_size_bytes", "Size of the disk where events are kept.", total)
    if report.clock is not None:
        synchronised = report.clock.is_synchronised
        text = "1 while this computer's clock follows a time server."
        yield _gauge("clock_synchronized", text, synchronised)
        text = "How far off this computer's clock may be, as its kernel reckons."
        yield _gauge("clock_max_error_seconds", text, report.clock.max_error_s)
    ends = GaugeMetricFamily(
        f"{PREFIX}_certificate_expiry_timestamp_seconds",
        "When a certificate towards the broker ends, Unix time.",
        labels=["certificate"],
    )
    for name, end in sorted(report.certificate_ends.items()):
        ends.add_metric([name], end)
    yield ends


def _about_locks(report: Report) -> Iterator[Metric]:
    said = {lock: state for lock, state in report.survey.locks.items() if state is not None}
    reachable = {
        lock: float(state is not None and state.reachable)
        for lock, state in report.survey.locks.items()
    }
    yield _per_lock("reachable", "1 while the lock is reached.", reachable)
    yield _per_lock(
        "last_seen_timestamp_seconds",
        "When the lock last spoke to this gateway, Unix time; 0: never.",
        {lock: float(state.seen_at) for lock, state in said.items()},
    )
    yield _per_lock(
        "jammed",
        "1 when the bolt of the lock did not get where it should.",
        {lock: float(state.bolt == "jammed") for lock, state in said.items() if state.seen_at},
    )
    yield _per_lock(
        "clock_doubt_seconds",
        "How unsure the lock is of the time; +Inf: it does not know it.",
        {lock: reports.doubt_s(state) for lock, state in said.items() if state.seen_at},
    )
    yield _per_lock(
        "clock_ahead_seconds",
        "How far this computer's clock was ahead of the time signed for the lock; 0: inside it.",
        {lock: reports.clock_ahead_s(state) for lock, state in said.items() if state.seen_at},
    )
    yield _per_lock(
        "credential_expiry_timestamp_seconds",
        "When the housekeeping token for the lock ends, Unix time.",
        report.credential_ends,
    )


def _per_lock(name: str, text: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_lock_{name}", text, labels=["lock"])
    for lock, value in sorted(values.items()):
        family.add_metric([lock], value)
    return family


def _counters(report: Report) -> Iterator[Metric]:
    counts = dict.fromkeys(COUNTERS, 0) | dict(report.survey.counts)
    for name, count in sorted(counts.items()):
        text = COUNTERS.get(name, f"Counted by the machine: {name.replace('_', ' ')}.")
        yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=count)
