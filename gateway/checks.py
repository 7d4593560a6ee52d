"""Whether this computer is fit to be a gateway, and what to do if not: `kannuki gateway check`.

Decides what is looked at and in which order: the order in which to repair it, for what comes first
explains what comes after. Changes nothing, and disturbs no gateway that runs.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.files import Place
from gateway.health import host
from gateway.health.findings import Finding
from gateway.health.probes import broker, computer, papers, radio, running
from gateway.health.probes.broker import Target
from gateway.health.probes.running import Running
from kannuki import messages
from kannuki.broker_access import Certified, read_access
from kannuki.broker_options import Access
from kannuki.errors import InputError

LISTEN_FOR_S = 12.0  # a lock on battery advertises every second or so; a few may be missed


@dataclass(frozen=True)
class Questions:
    """What is to be looked at. `wall`: Unix seconds by this computer's clock."""

    gateway_file: Path
    broker_host: str
    broker_port: int
    data_dir: Path
    wall: float
    access: Access = Access()
    listen_for_s: float = LISTEN_FOR_S


async def check(ask: Questions) -> list[Finding]:
    """All findings, in the order in which to repair them."""
    place, findings = papers.read_file(ask.gateway_file)
    locks = list(place.credentials) if place is not None else []
    listening = asyncio.ensure_future(radio.listen(locks, ask.listen_for_s))
    found = await running.find(ask.data_dir)
    if place is not None:
        findings += papers.judge_tokens(place, ask.wall)
    not_before = papers.earliest_plausible(place, ask.gateway_file)
    findings.append(computer.judge_clock(ask.wall, not_before, host.clock_sync()))
    findings.append(computer.check_folder(ask.data_dir))
    findings.append(await asyncio.to_thread(computer.check_database, ask.data_dir))
    findings += await _check_broker(ask, place, found)
    bluetooth, heard = await listening
    findings.append(bluetooth)
    findings += running.judge(found, ask.wall)
    return findings + [_check_lock(ask, lock, bluetooth, heard, found) for lock in locks]


async def _check_broker(
    ask: Questions, place: Place | None, found: Running | None
) -> list[Finding]:
    try:
        ask.access.check_host(ask.broker_host)
        certified = await asyncio.to_thread(_certified, ask.access, place)
    except InputError as error:
        return [papers.unusable_certificates(error)]
    dated = papers.judge_certificates(certified.ends() if certified else {}, ask.wall)
    context: ssl.SSLContext | None = certified.context if certified else None
    target = Target(ask.broker_host, ask.broker_port, context)
    return [dated, await broker.check(target, signs_in=not _would_push_out(certified, found))]


def _certified(access: Access, place: Place | None) -> Certified | None:
    """Blocks while reading. Raises InputError for files that are not this gateway's."""
    if access.files is None:
        return None
    certified = read_access(access.files)
    if place is not None:
        certified.check_identity(messages.identity(place.town, place.gateway_id))
    return certified


def _would_push_out(certified: Certified | None, found: Running | None) -> bool:
    """A broker knows one client by each certificate: our signing in ends that of the gateway."""
    return certified is not None and found is not None and found.one("broker_connected") != 0


def _check_lock(
    ask: Questions, lock: str, bluetooth: Finding, heard: radio.Heard, found: Running | None
) -> Finding:
    """What a running gateway knows of a lock goes before what can be heard of it."""
    known = running.judge_lock(found, lock, ask.wall)
    is_heard = lock in heard.dbm
    if known is not None and not (known.code == "LOCK_REACHED" and is_heard):
        return known
    if is_heard:
        return radio.judge_lock(lock, heard.dbm[lock])
    if bluetooth.is_ok:
        return radio.not_heard(lock, ask.listen_for_s)
    return radio.not_looked_for(lock)


def lines(findings: Iterable[Finding]) -> Iterable[str]:
    """The report as a person reads it."""
    marks = {"ok": "ok     ", "warning": "LOOK   ", "bad": "NO     ", "missing": "MISSING"}
    for finding in findings:
        yield f"{marks[finding.level.value]} {finding.name}: {finding.text}"
        if finding.remedy:
            yield f"         -> {finding.remedy}"
