"""Sessions of browsers: who is signed in, for how long, and how it ends.

Decides expiry (idle and absolute), that every sign-in starts a session of its own and ends the one
that the browser brought (no fixation), and that a session that ended is gone at once. A cookie's
value is 32 random bytes; the database holds its SHA-256. Decides nothing about how somebody proved
who they are. Times come from the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from cloud.models import WebSession
from cloud.people.attempts import RandomBytes, sha
from kannuki.messages import to_base64url

COOKIE_CHARS = 43
SEEN_EVERY_S = 60  # noted at most once a minute: reading stays reading
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Kind:
    """idle_s: ends after so long without a request; lives_s: ends in any case."""

    cookie: str
    same_site: str
    idle_s: int
    lives_s: int


# A resident who booked at night finds the booking in the morning; a desk is left alone for an hour.
BOOK = Kind("__Host-kannuki-book", "lax", idle_s=12 * 3600, lives_s=7 * 86_400)
DESK = Kind("__Host-kannuki-desk", "strict", idle_s=3600, lives_s=12 * 3600)


@dataclass(frozen=True)
class Owner:
    """An account or a member of staff, never both."""

    account_id: str | None = None
    staff_id: str | None = None

    @property
    def kind(self) -> Kind:
        """What rules the session."""
        return BOOK if self.account_id is not None else DESK


def start(
    session: Session,
    owner: Owner,
    device: str,
    brought: str | None,
    random_bytes: RandomBytes,
    now: int,
) -> str:
    """A new session; returns the cookie's value. What the browser `brought` ends."""
    if brought is not None:
        end(session, brought)
    _sweep(session, now)
    cookie = to_base64url(random_bytes(32))
    session.add(
        WebSession(
            cookie_sha256=sha(cookie),
            session_id=random_bytes(12).hex(),
            account_id=owner.account_id,
            staff_id=owner.staff_id,
            device=device,
            started_at=now,
            seen_at=now,
            ends_at=now + owner.kind.lives_s,
        )
    )
    session.flush()
    return cookie


def find(session: Session, kind: Kind, cookie: str | None, now: int) -> WebSession | None:
    """The live session of a cookie of this kind."""
    if cookie is None or not _COOKIE.fullmatch(cookie):
        return None
    row = session.get(WebSession, sha(cookie))
    if row is None or Owner(row.account_id, row.staff_id).kind is not kind:
        return None
    return row if _is_live(row, now) else None


def _is_live(row: WebSession, now: int) -> bool:
    kind = Owner(row.account_id, row.staff_id).kind
    return row.started_at <= now < row.ends_at and now < row.seen_at + kind.idle_s


def needs_note(row: WebSession, now: int) -> bool:
    """Whether it is time to note that this session was seen."""
    return now >= row.seen_at + SEEN_EVERY_S


def note_seen(session: Session, row: WebSession, now: int) -> None:
    """Keeps an idle session from ending. The row may come from another transaction."""
    current = session.get(WebSession, row.cookie_sha256)
    if current is not None and current.seen_at < now:
        current.seen_at = now


def end(session: Session, cookie: str) -> None:
    """Ends the session of a cookie, if there is one."""
    if _COOKIE.fullmatch(cookie):
        session.execute(delete(WebSession).where(WebSession.cookie_sha256 == sha(cookie)))


def end_one(session: Session, owner: Owner, session_id: str) -> bool:
    """Ends one session of its owner, named by its public id."""
    found = delete(WebSession).where(WebSession.session_id == session_id, _of(owner))
    return bool(session.execute(found).rowcount)  # type: ignore[attr-defined]


def end_all(session: Session, owner: Owner) -> int:
    """Signs somebody out everywhere."""
    return int(session.execute(delete(WebSession).where(_of(owner))).rowcount)  # type: ignore[attr-defined]


def lines(session: Session, owner: Owner, current: WebSession | None, now: int) -> list[dict]:
    """The live sessions of somebody, newest first."""
    rows = session.scalars(
        select(WebSession).where(_of(owner)).order_by(WebSession.started_at.desc())
    )
    return [
        {
            "session_id": row.session_id,
            "device": row.device,
            "started_at": row.started_at,
            "seen_at": row.seen_at,
            "current": current is not None and row.session_id == current.session_id,
        }
        for row in rows
        if _is_live(row, now)
    ]


def _of(owner: Owner) -> ColumnElement[bool]:
    if owner.account_id is not None:
        return WebSession.account_id == owner.account_id
    return WebSession.staff_id == owner.staff_id


def _sweep(session: Session, now: int) -> None:
    session.execute(delete(WebSession).where(WebSession.ends_at <= now))


_Words = tuple[tuple[str, str], ...]
_BROWSERS: _Words = (
    ("Edg", "Edge"),
    ("SamsungBrowser", "Samsung"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: _Words = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str) -> str:
    """What a list of sessions calls a browser: two known words, nothing that tells people apart."""
    words = [_first(user_agent, table) for table in (_BROWSERS, _SYSTEMS)]
    return " · ".join(word for word in words if word)


def _first(text: str, table: _Words) -> str:
    return next((name for sign, name in table if sign in text), "")
