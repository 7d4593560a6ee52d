"""Sends letters to the holders of keys: the last step of the outbox, safe to stop anywhere.

Decides who is written to and when: each holder with a mail address gets a key link once for a
booking, again when they ask or a key was disputed; and who was told of a booking is told when it
was changed or cancelled, or that a clerk declined it. What a letter says is decided when it goes:
a wish that has become another is one letter, not two, and a change taken back is none.
A link's secret is made when its letter is, and only its hash is kept. The link is committed before
the letter goes, so that no letter leads nowhere; a stop between the two, or before the letter is
noted as sent, sends another letter whose link replaces the first, unless that one has been claimed
by then: it arrived, and nothing more is sent. A link outlives a change: those letters bring none.
Reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloud import keylinks
from cloud.alarms import raise_alarm
from cloud.booking import states
from cloud.credentials import window
from cloud.keyring.entitlement import keyed
from cloud.keyring.holders import Holder, find_holder, holders_of
from cloud.keyring.mail import is_address
from cloud.models import Booking, KeyDelivery, KeyLink
from kannuki.backoff import Backoff

WAITING, SENT, REFUSED, MOOT = "waiting", "sent", "refused", "moot"
CONFIRMED_LETTER, AGAIN_LETTER, DISPUTED_LETTER = "confirmed", "again", "disputed"
CHANGED_LETTER, CANCELLED_LETTER, DECLINED_LETTER = "changed", "cancelled", "declined"
WITH_LINK = (CONFIRMED_LETTER, AGAIN_LETTER, DISPUTED_LETTER)
_ENDS = {states.CANCELLED: CANCELLED_LETTER, states.DECLINED: DECLINED_LETTER}
RETRY = Backoff(first_s=60.0, max_s=3600.0, spread=0.0)
LEASE_S = 120  # longer than a mail server may take: nobody sends the same letter meanwhile
QUIET_S = 300
MAX_LETTERS = 10


@dataclass(frozen=True)
class DueLetter:
    """A letter to send now; `secret` is nowhere else, None: it brings no link."""

    booking_id: str
    holder: Holder
    why: str
    turn: int
    secret: str | None = field(repr=False)


def ask_news(session: Session, booking: Booking, now: int) -> None:
    """Each holder who can be written to shall know how the booking stands: by a first letter with
    a link, unless staff gave them one, and by another when it is no longer as they were told."""
    for holder in holders_of(session, booking):
        row = _row(session, booking.booking_id, holder.holder_id)
        if row is None or (row.state == MOOT and row.told is None):
            why = _first_letter(session, booking, holder)
        elif row.state == REFUSED or _waits_to_tell(booking, row):
            why = None
        else:
            why = _why(session, booking, row)
        if why is not None:
            ask(session, booking, holder, why, now)


def ask(session: Session, booking: Booking, holder: Holder, why: str, now: int) -> bool:
    """Asks for a letter; whether the holder can be written to."""
    if not is_address(holder.contact):
        return False
    row = _row(session, booking.booking_id, holder.holder_id)
    if row is None:
        row = KeyDelivery(booking_id=booking.booking_id, holder_id=holder.holder_id, turn=0)
    row.turn += 1
    row.why, row.state = why, WAITING
    row.attempts, row.asked_at, row.next_attempt_at = 0, now, now
    session.add(row)
    session.flush()
    return True


def ask_again(session: Session, booking: Booking, contact: str, now: int) -> None:
    """The holder with this contact wants a new link. Silence is the answer to all else: too soon
    after the last link, too many letters, another contact, a booking that is over."""
    if not keyed(booking) or window(booking)[1] <= now:
        return
    for holder in holders_of(session, booking):
        if not contact or _plain(holder.contact) != _plain(contact):
            continue
        row = _row(session, booking.booking_id, holder.holder_id)
        if row is not None and (_is_fresh(row, now) or row.turn >= MAX_LETTERS):
            continue
        ask(session, booking, holder, AGAIN_LETTER, now)


def has_due(session: Session, now: int) -> bool:
    """Whether `next_letter` has something to do, without taking the write lock."""
    return session.scalar(_due(now).limit(1)) is not None


def next_letter(
    session: Session, random_bytes: Callable[[int], bytes], now: int
) -> DueLetter | None:
    """The next letter, with its link made and the turn taken; None when there is none, or when
    the one that was next has become moot (ask again). The caller commits, then sends it, and says
    what came of it: note_sent, note_failed or note_refused."""
    query = _due(now).limit(1).with_for_update(skip_locked=True)
    row = session.scalar(query)
    if row is None:
        return None
    booking = session.get_one(Booking, row.booking_id)
    holder = find_holder(session, booking, row.holder_id)
    why = _why(session, booking, row)
    over = window(booking)[1] <= now
    if holder is None or why is None or over or not is_address(holder.contact):
        row.state = MOOT
        return None
    row.attempts += 1
    row.next_attempt_at = now + max(LEASE_S, int(RETRY.delay_s(row.attempts, 0.0)))
    row.why, row.telling, secret = why, _news(booking), None
    if why in WITH_LINK:
        secret = keylinks.make_link(session, booking, random_bytes, now, holder.holder_id)
        row.link_sha256 = keylinks.digest(secret)
    return DueLetter(booking.booking_id, holder, why, row.turn, secret)


def note_failed(session: Session, letter: DueLetter) -> None:
    """It did not go out: nobody has been told what it said."""
    row = _row(session, letter.booking_id, letter.holder.holder_id)
    if row is not None and row.turn == letter.turn:
        row.telling = None


def note_sent(session: Session, letter: DueLetter, now: int) -> None:
    """The mail server took it. A wish that came meanwhile stays."""
    row = _row(session, letter.booking_id, letter.holder.holder_id)
    if row is not None and row.turn == letter.turn and row.state == WAITING:
        row.state, row.sent_at = SENT, now
        row.told, row.telling = row.telling, None


def note_refused(session: Session, letter: DueLetter, now: int) -> None:
    """It will never be taken: staff must reach this person another way."""
    row = _row(session, letter.booking_id, letter.holder.holder_id)
    if row is not None and row.turn == letter.turn:
        row.state = REFUSED
    booking = session.get_one(Booking, letter.booking_id)
    raise_alarm(session, "KEY_MAIL_REFUSED", booking.room_id or "", letter.booking_id, now)


def _news(booking: Booking) -> str | None:
    """How a booking stands, for the holder of a key; None: nothing to write of."""
    if keyed(booking):
        return f"{booking.room_id} {booking.starts_at} {booking.ends_at}"
    return _ENDS.get(booking.status)


def _first_letter(session: Session, booking: Booking, holder: Holder) -> str | None:
    """A cancelled booking of which nobody was told needs no letter; a clerk's no is an answer."""
    if keyed(booking) and not _has_link(session, booking.booking_id, holder.holder_id):
        return CONFIRMED_LETTER
    return DECLINED_LETTER if booking.status == states.DECLINED else None


def _why(session: Session, booking: Booking, row: KeyDelivery) -> str | None:
    """What there is to write to a holder now; None: nothing. Notes a letter that had arrived."""
    if row.state == WAITING and row.why in WITH_LINK:
        if _arrived(session, row):
            row.told, row.telling = row.telling or _news(booking), None
        elif keyed(booking):
            return row.why
    return _missing_news(booking, row)


def _missing_news(booking: Booking, row: KeyDelivery) -> str | None:
    """What was told is no longer so. Of a letter that may or may not have gone, it is not known."""
    news = _news(booking)
    if news is None or (row.telling is None and news == row.told):
        return None
    if row.telling is None and row.told is None:  # nobody knows of the booking
        return DECLINED_LETTER if news == DECLINED_LETTER else None
    return news if news in _ENDS.values() else CHANGED_LETTER


def _waits_to_tell(booking: Booking, row: KeyDelivery) -> bool:
    """Whether a letter waits that is written when it goes, or is on its way and says this."""
    return row.state == WAITING and row.telling in (None, _news(booking))


def _is_fresh(row: KeyDelivery, now: int) -> bool:
    return row.why in WITH_LINK and row.asked_at > now - QUIET_S


def _due(now: int) -> Select[tuple[KeyDelivery]]:
    return (
        select(KeyDelivery)
        .where(KeyDelivery.state == WAITING, KeyDelivery.next_attempt_at <= now)
        .order_by(KeyDelivery.next_attempt_at, KeyDelivery.booking_id, KeyDelivery.holder_id)
    )


def _row(session: Session, booking_id: str, holder_id: str) -> KeyDelivery | None:
    return session.get(KeyDelivery, (booking_id, holder_id))


def _has_link(session: Session, booking_id: str, holder_id: str) -> bool:
    query = select(KeyLink.secret_sha256).where(
        KeyLink.booking_id == booking_id, KeyLink.holder_id == holder_id
    )
    return session.scalar(query.limit(1)) is not None


def _arrived(session: Session, row: KeyDelivery) -> bool:
    """Whether the link of an earlier try of this letter has been claimed: it had arrived."""
    if row.link_sha256 is None or row.attempts == 0:
        return False
    link = session.get(KeyLink, row.link_sha256)
    return link is not None and link.claimed_at is not None


def _plain(contact: str) -> str:
    return contact.strip().casefold()
