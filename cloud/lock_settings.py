"""How a lock's door behaves and which groups it belongs to, as the town has signed it.

Decides that a change makes the next version and sends it; the bounds of the figures are the
protocol's (protocol/lockconfig.py). A lock without a row has the firmware's defaults: version 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from cloud import documents
from cloud.lists import groups_of, publish_lists
from cloud.models import Lock, LockSettings
from cloud.problems import Problem
from cloud.signers import Signers
from protocol import lockconfig
from protocol.lockconfig import FIGURES, DoorConfig, LockConfig, LockConfigError

FIGURE_NAMES = tuple(row[0] for row in FIGURES.values())


def settings_line(session: Session, lock_id: str) -> dict[str, Any]:
    """{"lock_id", "version", "groups", one member for each figure}. Raises Problem."""
    if session.get(Lock, lock_id) is None:
        raise Problem("UNKNOWN_LOCK")
    row = session.get(LockSettings, lock_id)
    figures = json.loads(row.figures) if row is not None else {}
    door = DoorConfig(**figures)
    shown = {name: getattr(door, name) for name in FIGURE_NAMES}
    version = row.version if row is not None else 0
    return {"lock_id": lock_id, "version": version, "groups": groups_of(session, lock_id)} | shown


def change(
    session: Session,
    signers: Signers,
    lock_id: str,
    figures: dict[str, int],
    groups: Sequence[str] | None,
    now: int,
) -> dict[str, Any]:
    """Sets figures, and groups unless None; signs and sends the next version. Raises Problem."""
    before = settings_line(session, lock_id)
    wanted = {name: figures.get(name, before[name]) for name in FIGURE_NAMES}
    in_groups = before["groups"] if groups is None else sorted(set(groups))
    if (wanted, in_groups) == ({n: before[n] for n in FIGURE_NAMES}, before["groups"]):
        return before
    row = session.get(LockSettings, lock_id) or LockSettings(lock_id=lock_id, version=0)
    row.groups, row.figures = json.dumps(in_groups), json.dumps(wanted)
    sign_again(session, signers, row, now)
    documents.put(session, lock_id, documents.CONFIG, row.version, row.document, now)
    if in_groups != before["groups"]:
        publish_lists(session, signers, {lock_id}, now)  # a group brings its rows of min_iat
    return settings_line(session, lock_id)


def sign_again(session: Session, signers: Signers, row: LockSettings, now: int) -> None:
    """The next version with what `row` says. Raises Problem for figures out of their bounds."""
    try:
        door = DoorConfig(**json.loads(row.figures))
        config = LockConfig(row.lock_id, row.version + 1, now, json.loads(row.groups), door)
        row.document = signers.config.sign(lockconfig.encode(config))
    except LockConfigError as error:
        raise Problem("INVALID", where=str(error)) from None
    row.version += 1
    session.add(row)
    session.flush()
