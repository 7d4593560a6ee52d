"""The gateway that runs on this computer, if one does: what it says of itself in its metrics.

Decides how a running gateway is asked, and what its answers mean for the report. Without metrics
(`--metrics-listen`) only that it runs is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp

from gateway.health import runnote
from gateway.health.findings import Finding, days
from gateway.health.metrics import PREFIX
from gateway.health.serving import PATH

WITHIN_S = 5.0
MOST_BYTES = 4 * 1000**2
RECENT_S = 600.0
AHEAD_S = 5.0  # an interval's own rounding, and the time a visit takes
STUCK_S = 3600.0
START = "sudo systemctl start kannuki-gateway; journalctl -u kannuki-gateway says why it ended"


@dataclass(frozen=True)
class Running:
    """`values`: samples by metric (without prefix) and lock, '' where it is about none."""

    note: runnote.RunNote
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    is_silent: bool = False

    def one(self, name: str) -> float | None:
        """A metric of the gateway itself."""
        return self.values.get(name, {}).get("")

    def of(self, name: str, lock: str) -> float | None:
        """A metric of one lock."""
        return self.values.get(name, {}).get(lock)


async def find(data_dir: Path) -> Running | None:
    """The gateway that runs on this folder; None when none does."""
    note = runnote.find(data_dir)
    if note is None:
        return None
    if not note.metrics:
        return Running(note)
    try:
        return Running(note, read(await _get(f"http://{note.metrics}{PATH}")))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return Running(note, is_silent=True)


async def _get(address: str) -> str:
    limit = aiohttp.ClientTimeout(total=WITHIN_S)
    async with (
        aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
        session.get(address, raise_for_status=True, allow_redirects=False) as answer,
    ):
        return (await answer.content.read(MOST_BYTES)).decode()


def read(page: str) -> dict[str, dict[str, float]]:
    """Raises ValueError for what is no page of metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            name = sample.name.removeprefix(f"{PREFIX}_")
            values.setdefault(name, {})[sample.labels.get("lock", "")] = sample.value
    return values


def judge(running: Running | None, wall: float) -> Iterator[Finding]:
    """What is to be said of the program itself."""
    if running is None:
        text = "no gateway runs with this data folder"
        yield Finding("gateway", "GATEWAY_STOPPED", text, START)
        return
    about = f"a gateway runs (process {running.note.pid}"
    if running.is_silent:
        text = f"{about}), but does not answer on {running.note.metrics}"
        yield Finding("gateway", "GATEWAY_SILENT", text, "sudo systemctl restart kannuki-gateway")
    elif not running.values:
        yield Finding("gateway", "GATEWAY_RUNS", f"{about}; it serves no metrics)")
    else:
        yield _judge_work(running, wall, about)
        yield from _judge_clock(running)


def _judge_work(running: Running, wall: float, about: str) -> Finding:
    since = days(wall - (running.one("start_time_seconds") or wall))
    if running.one("storage_working") == 0:
        text = f"{about}), but its disk does not store events"
        return Finding("gateway", "GATEWAY_CANNOT_STORE", text, "free space, or replace the card")
    waiting = int(running.one("outbox_events") or 0)
    if not running.one("broker_connected"):
        text = f"{about}), but has no broker; {waiting} events wait and are safe"
        return Finding("gateway", "GATEWAY_OFFLINE", text, "see the broker above")
    if waiting and (running.one("outbox_head_age_seconds") or 0) > STUCK_S:
        text = f"{about}), but the town has not taken its {waiting} events for an hour"
        return Finding("gateway", "GATEWAY_OFFLINE", text, "is the town's service running?")
    text = f"{about}), for {since}, connected; {waiting} events wait"
    return Finding("gateway", "GATEWAY_RUNS", text)


def _judge_clock(running: Running) -> Iterator[Finding]:
    """Locks hold time that the town signed: many of them together know better than we do."""
    ahead = list(running.values.get("lock_clock_ahead_seconds", {}).values())
    off_s = median(ahead) if ahead else 0.0
    if abs(off_s) > AHEAD_S:
        way = "ahead of" if off_s > 0 else "behind"
        seconds = f"{abs(off_s):.0f} seconds"
        text = f"this computer's clock is {seconds} {way} the time that the town signed"
        yield Finding("clock", "CLOCK_DIFFERS", text, "set the clock: see the line above")


def judge_lock(running: Running | None, lock: str, wall: float) -> Finding | None:
    """What the running gateway knows of a lock, where that is more than the air tells."""
    if running is None:
        return None
    if running.of("lock_jammed", lock):
        text = f"the bolt of lock {lock} is jammed"
        return Finding("lock", "LOCK_JAMMED", text, "look at the door and its frame", lock)
    seen_at = running.of("lock_last_seen_timestamp_seconds", lock)
    if running.of("lock_reachable", lock) and seen_at and wall - seen_at < RECENT_S:
        text = f"the running gateway spoke to lock {lock} {days(wall - seen_at)} ago"
        return Finding("lock", "LOCK_REACHED", text, lock=lock)
    return None
