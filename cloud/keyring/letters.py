"""What a letter to the holder of a key says, in plain Japanese, easy Japanese and English.

Decides the wording's order and what of a booking is told: town, room, day and time, the link, the
number for the keypad only where the town mails it, and why a clerk declined. Names nobody: a letter
can be read by others in the house.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.bookings import span_text
from cloud.credentials import epoch_for
from cloud.keyring import delivery, pins
from cloud.keyring.delivery import DueLetter
from cloud.keyring.entitlement import keyed
from cloud.keyring.mail import Letter
from cloud.keyring.pins import ShownPin
from cloud.models import Booking, Lock
from cloud.service import TownService
from kannuki import texts

_ID_BYTES = 12
_RULE = "\n" + "-" * 40 + "\n"

# By why it is written (cloud/keyring/delivery.py): the text of the subject and what is said first.
_SUBJECTS = {
    delivery.CHANGED_LETTER: "MAIL_CHANGED_SUBJECT",
    delivery.CANCELLED_LETTER: "MAIL_CANCELLED_SUBJECT",
    delivery.DECLINED_LETTER: "MAIL_DECLINED_SUBJECT",
}
_FIRST = {
    delivery.AGAIN_LETTER: ("MAIL_KEY_BOOKING", "MAIL_KEY_AGAIN"),
    delivery.DISPUTED_LETTER: ("MAIL_KEY_BOOKING", "MAIL_KEY_DISPUTED"),
    delivery.CHANGED_LETTER: ("MAIL_CHANGED_BOOKING", "MAIL_CHANGED_KEY"),
    delivery.CANCELLED_LETTER: ("MAIL_CANCELLED_BOOKING", "MAIL_CANCELLED_KEY"),
    delivery.DECLINED_LETTER: ("MAIL_DECLINED_BOOKING",),
}


@dataclass(frozen=True)
class Told:
    """What goes into the letter beside the booking."""

    town: str
    link: str | None = field(repr=False)
    pin: ShownPin | None = field(default=None, repr=False)


def compose(
    session: Session,
    due: DueLetter,
    told: Told,
    random_bytes: Callable[[int], bytes],
    now: int,
) -> Letter:
    """The letter for a holder."""
    booking = session.get_one(Booking, due.booking_id)
    places = {
        "town": told.town,
        "room": booking.room.name if booking.room else "",
        "when": span_text(booking.starts_at, booking.ends_at),
    }
    reason = booking.decision_note if due.why == delivery.DECLINED_LETTER else ""
    parts = [_part(lang, due.why, told, places, reason) for lang in texts.LANGUAGES]
    subject = texts.text(_SUBJECTS.get(due.why, "MAIL_KEY_SUBJECT"), "ja", **places)
    mail_id = random_bytes(_ID_BYTES).hex()
    return Letter(mail_id, due.holder.contact, subject, _RULE.join(parts), now)


def pin_for(session: Session, service: TownService, due: DueLetter) -> ShownPin | None:
    """The holder's number, while the booking has a key, if the door takes one."""
    booking = session.get_one(Booking, due.booking_id)
    if not keyed(booking):
        return None
    lock = session.scalar(select(Lock).where(Lock.room_id == booking.room_id))
    if lock is None:
        return None
    epoch = epoch_for(session, service.signers, lock.lock_id)
    holder_id, now = due.holder.holder_id, service.clock()
    return pins.show(session, service.vault, booking, holder_id, lock, epoch, now)


def grouped(digits: str) -> str:
    """Ten digits as people read them: 123-456-7890."""
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def _part(lang: str, why: str, told: Told, places: dict[str, str], reason: str) -> str:
    lines = [texts.text(code, lang, **places) for code in _FIRST.get(why, ("MAIL_KEY_BOOKING",))]
    if reason:
        lines += ["", texts.text("mail.reason", lang, reason=reason)]
    if told.link is not None:
        lines += [texts.text("MAIL_KEY_OPEN", lang), "", told.link]
    lines.append("")
    if told.pin is not None:
        lines += [texts.text("MAIL_KEY_PIN", lang, pin=grouped(told.pin.digits)), ""]
    lines.append(texts.text("MAIL_KEY_KEEP" if told.link is not None else "MAIL_CALL", lang))
    return "\n".join(lines) + "\n"
