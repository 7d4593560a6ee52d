"""Troubles that staff must see. The same one again raises its count, so that no peer can fill the
table by repeating itself."""

from __future__ import annotations

import base64

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.database import town_of
from cloud.models import Alarm
from protocol.crypto import sha256

MAX_KINDS_PER_DEVICE = 200
MAX_ALARMS = 5_000
SELDOM_S = 3600


def raise_alarm(session: Session, kind: str, device: str, detail: str, now: int) -> None:
    """Notes `kind` for a device. Beyond a bound, more of it shares rows."""
    detail = detail[:300]
    alarm = _find(session, kind, device, detail)
    if alarm is None and _count(session, device) >= MAX_KINDS_PER_DEVICE:
        detail = "more of the same, not told apart"
        alarm = _find(session, kind, device, detail)
    if alarm is None and _count(session, None) >= MAX_ALARMS:
        device = "many"
        alarm = _find(session, kind, device, detail)
    if alarm is None:
        alarm = Alarm(
            alarm_id=_name(session, kind, device, detail),
            kind=kind,
            device=device,
            detail=detail,
            first_at=now,
            times=0,
        )
        session.add(alarm)
    alarm.times += 1
    alarm.last_at = now
    session.flush()


def raise_seldom(session: Session, kind: str, device: str, detail: str, now: int) -> None:
    """As raise_alarm, but of what a peer can repeat every second, once in SELDOM_S is noted."""
    alarm = _find(session, kind, device, detail[:300])
    if alarm is None or alarm.last_at <= now - SELDOM_S:
        raise_alarm(session, kind, device, detail, now)


def clear_alarm(session: Session, kind: str, device: str, detail: str) -> None:
    """Takes back an alarm whose cause is gone."""
    alarm = _find(session, kind, device, detail)
    if alarm is not None:
        session.delete(alarm)


def _find(session: Session, kind: str, device: str, detail: str) -> Alarm | None:
    query = select(Alarm).where(Alarm.kind == kind, Alarm.device == device, Alarm.detail == detail)
    return session.scalar(query)


def _count(session: Session, device: str | None) -> int:
    """How many rows a device has; of all devices for None."""
    query = select(func.count()).select_from(Alarm)
    if device is not None:
        query = query.where(Alarm.device == device)
    return session.scalar(query) or 0


def _name(session: Session, kind: str, device: str, detail: str) -> str:
    """Two towns may have a device of one name: each has its own alarm."""
    digest = sha256(f"{town_of(session)}\n{kind}\n{device}\n{detail}".encode())
    return base64.b32encode(digest[:10]).decode().lower()
