"""Bodies of bookings, for residents and staff: bounds on everything, unknown members refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cloud.booking.policy import Category, GroupKind, Method, Percent
from cloud.people.levels import Level
from cloud.web.api_models import Request
from kannuki.messages import UnixSeconds

Id = Annotated[str, Field(pattern=r"^[a-z0-9]{1,24}$")]
AccountId = Annotated[str, Field(pattern=r"^[a-z0-9]{1,24}$")]
RoomId = Annotated[str, Field(min_length=1, max_length=32)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Contact = Annotated[str, Field(max_length=200)]
Words = Annotated[str, Field(max_length=300)]
People = Annotated[int, Field(ge=1, le=100_000)]
Version = Annotated[int, Field(ge=1, lt=1 << 40)]
DAY = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
Day = Annotated[str, Field(pattern=DAY)]


class _Use(Request):
    """What a use is, beside its time."""

    people: People | None = None
    category: Category = "resident"
    group_id: Id | None = None


class QuoteWish(_Use):
    """What would it cost, who would decide?"""

    room_id: RoomId
    starts_at: UnixSeconds
    ends_at: UnixSeconds


class HoldWish(_Use):
    """Keep a room while I fill in the form."""

    room_id: RoomId
    starts_at: UnixSeconds
    ends_at: UnixSeconds


class BookingWish(_Use):
    """A use of a room, [starts_at, ends_at) in Unix seconds, or of what is on hold (`hold_id`).

    for_family: somebody else of the house shall be the holder.
    """

    hold_id: Id | None = None
    room_id: RoomId | None = None
    starts_at: UnixSeconds | None = None
    ends_at: UnixSeconds | None = None
    holder_name: Name
    holder_contact: Contact = ""
    purpose: Words = ""
    method: Method | None = None
    for_family: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> BookingWish:
        window = (self.room_id, self.starts_at, self.ends_at)
        if (self.hold_id is None) == any(part is None for part in window):
            raise ValueError("either hold_id, or room_id with starts_at and ends_at")
        return self


class ChangeWish(Request):
    """Another time, room or number of people; `version`: what the page has seen."""

    starts_at: UnixSeconds
    ends_at: UnixSeconds
    room_id: RoomId | None = None
    people: People | None = None
    version: Version | None = None


class Seen(Request):
    """The version that the page has seen."""

    version: Version | None = None


class NewHolder(Request):
    """Somebody who shall have a key."""

    name: Name
    contact: Contact = ""


class StaffBooking(_Use):
    """A booking at the counter, by telephone or for somebody's family."""

    room_id: RoomId
    starts_at: UnixSeconds
    ends_at: UnixSeconds
    holder_name: Name
    holder_contact: Contact = ""
    purpose: Words = ""
    channel: Literal["counter", "phone", "family"] = "counter"
    method: Method | None = None
    account_id: AccountId | None = None
    outside_hours: bool = False


class StaffChange(ChangeWish):
    """The same by staff; opening the house for it is said on purpose."""

    outside_hours: bool = False
    note: Words = ""


class Approval(Seen):
    """Yes. pay_later: the key comes before the money, or not; null: as the policy says."""

    note: Words = ""
    pay_later: bool | None = None


class Refusal(Seen):
    """No, and why: the resident reads it."""

    note: str = Field(min_length=1, max_length=300)


class StaffCancel(Seen):
    """fee_yen: what is still owed."""

    note: Words = ""
    fee_yen: int = Field(default=0, ge=0, le=1_000_000)


class MoneyMoved(Seen):
    """yen null: all that is open, or due back."""

    yen: int | None = Field(default=None, ge=1, le=10_000_000)
    note: str = Field(default="", max_length=200)


class Trust(Seen):
    """Whether the key comes before the money."""

    pay_later: bool


class Waiver(Seen):
    """The town asks for nothing, and why."""

    note: str = Field(min_length=1, max_length=300)


class NewGroup(Request):
    """A group to register."""

    name: str = Field(min_length=1, max_length=200)
    kind: GroupKind
    contact: Contact = ""
    may_be_invoiced: bool = False


class GroupChange(Request):
    """What is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    kind: GroupKind | None = None
    contact: Contact | None = None
    may_be_invoiced: bool | None = None
    active: bool | None = None
    version: Version | None = None


class NewEvidence(Request):
    """What was shown: in words, never a copy. reduction_percent null: as the facility's table."""

    kind: str = Field(min_length=1, max_length=40)
    shown: str = Field(min_length=1, max_length=300)
    reduction_percent: Percent | None = None
    expires_at: UnixSeconds


class NewMember(Request):
    """Who may book for the group, by the number on their account's page (or the account's id)."""

    number: str = Field(min_length=1, max_length=40)


class ClosedDays(Request):
    """Days on which a facility, or one room of it, is not lent."""

    facility_id: RoomId
    room_id: RoomId | None = None
    days: list[Day] = Field(min_length=1, max_length=400)
    reason: str = Field(default="", max_length=200)


class InLanguages(Request):
    """Words in three languages; what is empty is shown in Japanese."""

    ja: str = Field(default="", max_length=500)
    ja_simple: str = Field(default="", max_length=500, alias="ja-simple")
    en: str = Field(default="", max_length=500)

    def as_dict(self) -> dict[str, str]:
        """{language: words}"""
        return {"ja": self.ja, "ja-simple": self.ja_simple, "en": self.en}


class FacilityFacts(Request):
    """A facility as people find it; what is left out stays."""

    name: InLanguages | None = None
    address: str | None = Field(default=None, max_length=300)
    find: InLanguages | None = None
    phone: str | None = Field(default=None, max_length=40)
    assurance: Level | None = None
    active: bool | None = None


class RoomFacts(Request):
    """A room as people find it; what is left out stays. capacity 0: nobody counted."""

    facility_id: RoomId | None = None
    name: InLanguages | None = None
    find: InLanguages | None = None
    capacity: int | None = Field(default=None, ge=0, le=100_000)
    active: bool | None = None


class ServiceMessage(Request):
    """What a payment service sends, signed in its header."""

    event_id: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
    type: Literal["payment.succeeded", "payment.failed", "refund.succeeded"]
    reference: Id
    amount_yen: int = Field(ge=0, le=10_000_000)
