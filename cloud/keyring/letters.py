"""What a letter with a key link says, in plain Japanese, easy Japanese and English.

Decides the wording's order and what of a booking is told: town, room, day and time, the link, and
the number for the keypad only where the town mails it. Names nobody: a letter can be read by others
in the house.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.bookings import span_text
from cloud.credentials import epoch_for
from cloud.keyring import pins
from cloud.keyring.delivery import DueLetter
from cloud.keyring.mail import Letter
from cloud.keyring.pins import ShownPin
from cloud.models import Booking, Lock
from cloud.service import TownService
from kannuki import texts

_ID_BYTES = 12
_RULE = "\n" + "-" * 40 + "\n"


@dataclass(frozen=True)
class KeyLetter:
    """What goes into the letter beside the booking. `why`: confirmed, again or disputed."""

    town: str
    link: str = field(repr=False)
    why: str
    pin: ShownPin | None = field(default=None, repr=False)


def compose(
    session: Session,
    due: DueLetter,
    told: KeyLetter,
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
    parts = [_part(lang, told, places) for lang in texts.LANGUAGES]
    subject = texts.text("MAIL_KEY_SUBJECT", "ja", **places)
    mail_id = random_bytes(_ID_BYTES).hex()
    return Letter(mail_id, due.holder.contact, subject, _RULE.join(parts), now)


def pin_for(session: Session, service: TownService, due: DueLetter) -> ShownPin | None:
    """The holder's number, if the door takes one."""
    booking = session.get_one(Booking, due.booking_id)
    lock = session.scalar(select(Lock).where(Lock.room_id == booking.room_id))
    if lock is None:
        return None
    epoch = epoch_for(session, service.signers, lock.lock_id)
    holder_id, now = due.holder.holder_id, service.clock()
    return pins.show(session, service.vault, booking, holder_id, lock, epoch, now)


def grouped(digits: str) -> str:
    """Ten digits as people read them: 123-456-7890."""
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def _part(lang: str, told: KeyLetter, places: dict[str, str]) -> str:
    lines = [texts.text("MAIL_KEY_BOOKING", lang, **places)]
    if told.why == "disputed":
        lines.append(texts.text("MAIL_KEY_DISPUTED", lang))
    elif told.why == "again":
        lines.append(texts.text("MAIL_KEY_AGAIN", lang))
    lines += [texts.text("MAIL_KEY_OPEN", lang), "", told.link, ""]
    if told.pin is not None:
        lines += [texts.text("MAIL_KEY_PIN", lang, pin=grouped(told.pin.digits)), ""]
    lines.append(texts.text("MAIL_KEY_KEEP", lang))
    return "\n".join(lines) + "\n"
