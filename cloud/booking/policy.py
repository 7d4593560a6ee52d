"""A facility's policy: the one document in which a town says how its rooms are lent.

Decides the form and the bounds of the document, and what it comes to for one room: a room's entry
under `rooms` replaces whole members of the facility's. Money is whole yen, times of day are the
town's own ("09:00" to "24:00"), everything that lasts is in minutes. Reads no database and no
clock.
Invariant: a document that was read has valid rules for every room, those with overrides too.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cloud.people.levels import Level

DAY_MINUTES = 1440
MAX_USE_MINUTES = DAY_MINUTES
MAX_BUFFER_MINUTES = 240
MAX_AHEAD_DAYS = 365
MAX_POLICY_BYTES = 64 * 1024
MAX_ROOMS = 200

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Category = Literal["resident", "outside", "commercial"]
Method = Literal["counter", "invoice", "hosted"]

TimeOfDay = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Opening = tuple[TimeOfDay, TimeOfDay]
Yen = Annotated[int, Field(ge=0, le=1_000_000)]
Percent = Annotated[int, Field(ge=0, le=100)]
RoomId = Annotated[str, Field(min_length=1, max_length=32)]
GroupKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class PolicyError(ValueError):
    """The document cannot be used; the message says where and why."""


class Document(BaseModel):
    """Every part: unknown members are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def minute_of_day(text: str) -> int:
    """Minutes after local midnight; 24:00 is 1440."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class Week(Document):
    """Opening hours by weekday; a day without any is closed. Nothing passes midnight."""

    mon: tuple[Opening, ...] = Field(default=(), max_length=6)
    tue: tuple[Opening, ...] = Field(default=(), max_length=6)
    wed: tuple[Opening, ...] = Field(default=(), max_length=6)
    thu: tuple[Opening, ...] = Field(default=(), max_length=6)
    fri: tuple[Opening, ...] = Field(default=(), max_length=6)
    sat: tuple[Opening, ...] = Field(default=(), max_length=6)
    sun: tuple[Opening, ...] = Field(default=(), max_length=6)

    @field_validator("*")
    @classmethod
    def _in_order(cls, openings: tuple[Opening, ...]) -> tuple[Opening, ...]:
        last = -1
        for opens, closes in openings:
            if minute_of_day(opens) <= last:
                raise ValueError("opening hours must be in order and apart from each other")
            if minute_of_day(closes) <= minute_of_day(opens):
                raise ValueError(f"{opens}-{closes} closes before it opens")
            last = minute_of_day(closes)
        return openings

    def of(self, weekday: int) -> tuple[Opening, ...]:
        """The hours of a weekday, Monday is 0."""
        openings: tuple[Opening, ...] = getattr(self, DAYS[weekday])
        return openings


class Quotas(Document):
    """How many bookings that are not over one person or group may have at this facility."""

    open_per_person: int = Field(default=10, ge=1, le=1000)
    open_per_group: int = Field(default=20, ge=1, le=1000)
    holds_per_person: int = Field(default=3, ge=1, le=20)
    beyond: Literal["refuse", "clerk"] = "refuse"


class Approval(Document):
    """When a clerk decides. Everything else is confirmed by the rules themselves."""

    always: bool = False
    first_use_of_group: bool = True
    commercial: bool = True
    outside: bool = False
    people_over: int | None = Field(default=None, ge=0, le=100_000)
    minutes_over: int | None = Field(default=None, ge=0, le=MAX_USE_MINUTES)
    assurance_below: Level = "none"


class Prices(Document):
    """Yen for each category of use."""

    resident: Yen
    outside: Yen
    commercial: Yen

    def of(self, category: Category) -> int:
        """The price of one category."""
        return int(getattr(self, category))


class Band(Document):
    """Other prices on some days between two times, such as evenings or weekends."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: tuple[Day, ...] = Field(default=DAYS, min_length=1, max_length=7)
    opens: TimeOfDay = Field(default="00:00", alias="from")
    closes: TimeOfDay = Field(default="24:00", alias="to")
    prices: Prices

    @model_validator(mode="after")
    def _forwards(self) -> Band:
        if minute_of_day(self.closes) <= minute_of_day(self.opens):
            raise ValueError(f"the band {self.opens}-{self.closes} ends before it starts")
        return self


class Fees(Document):
    """What a use costs. The first band that holds a moment counts; else `base`.

    `per`: hour (shared out by the minute), slot (each slot at the price of its first moment), or
    band (one flat price for each band and day touched, as halls with morning, afternoon and
    evening have). `reductions`: percent off for each kind of registered group.
    """

    per: Literal["hour", "slot", "band"] = "hour"
    base: Prices
    bands: tuple[Band, ...] = Field(default=(), max_length=50)
    round_down_to: Literal[1, 10, 50, 100] = 10
    reductions: dict[GroupKind, Percent] = Field(default_factory=dict, max_length=50)
    reduces_commercial: bool = False


class RefundStep(Document):
    """Whoever cancels at least so long before the start gets so much back."""

    minutes_before: int = Field(ge=0, le=MAX_AHEAD_DAYS * DAY_MINUTES)
    percent: Percent


class Payments(Document):
    """How fees can be paid, and for which ways the key comes before the money."""

    methods: tuple[Method, ...] = Field(default=("counter",), max_length=3)
    key_before_paying: tuple[Literal["counter", "invoice"], ...] = Field(default=(), max_length=2)
    within_minutes: int = Field(default=30, ge=5, le=DAY_MINUTES)
    within_minutes_of_approval: int = Field(default=3 * DAY_MINUTES, ge=60, le=30 * DAY_MINUTES)


class Rules(Document):
    """What counts for one room."""

    hours: Week
    slot_minutes: int = Field(default=30, ge=5, le=720)
    shortest_minutes: int = Field(default=30, ge=5, le=MAX_USE_MINUTES)
    longest_minutes: int = Field(default=480, ge=5, le=MAX_USE_MINUTES)
    setup_minutes: int = Field(default=0, ge=0, le=MAX_BUFFER_MINUTES)
    cleaning_minutes: int = Field(default=0, ge=0, le=MAX_BUFFER_MINUTES)
    notice_minutes: int = Field(default=0, ge=0, le=60 * DAY_MINUTES)
    ahead_days: int = Field(default=90, ge=0, le=MAX_AHEAD_DAYS)
    change_until_minutes: int = Field(default=60, ge=0, le=60 * DAY_MINUTES)
    cancel_until_minutes: int = Field(default=0, ge=0, le=60 * DAY_MINUTES)
    refunds: tuple[RefundStep, ...] = Field(
        default=(RefundStep(minutes_before=0, percent=100),), max_length=10
    )
    hold_minutes: int = Field(default=15, ge=1, le=120)
    holders_max: int = Field(default=10, ge=1, le=100)
    assurance: Level | None = None  # null: the facility's own
    quotas: Quotas = Quotas()
    approval: Approval = Approval()
    fees: Fees | None = None  # null: nothing to pay
    payments: Payments = Payments()

    @model_validator(mode="after")
    def _agree(self) -> Rules:
        if self.shortest_minutes > self.longest_minutes:
            raise ValueError("shortest_minutes is more than longest_minutes")
        for name in ("shortest_minutes", "longest_minutes"):
            if getattr(self, name) % self.slot_minutes:
                raise ValueError(f"{name} is no whole number of slots ({self.slot_minutes} min)")
        percents = [step.percent for step in sorted(self.refunds, key=_minutes_before)]
        if percents != sorted(percents):
            raise ValueError("refunds: cancelling later must never give more back")
        if self.fees is not None and not self.payments.methods:
            raise ValueError("payments.methods is empty although there are fees")
        return self


def _minutes_before(step: RefundStep) -> int:
    return step.minutes_before


class Policy(Rules):
    """The facility's rules, and what is different in single rooms."""

    rooms: dict[RoomId, dict[str, Any]] = Field(default_factory=dict, max_length=MAX_ROOMS)

    @model_validator(mode="after")
    def _rooms_agree(self) -> Policy:
        for room_id in self.rooms:
            self.rules_for(room_id)
        return self

    def rules_for(self, room_id: str) -> Rules:
        """What counts in one room."""
        merged = self.model_dump(mode="json", by_alias=True, exclude={"rooms"})
        merged |= self.rooms.get(room_id, {})
        try:
            return Rules.model_validate(merged)
        except ValidationError as error:
            raise ValueError(f"rooms.{room_id}: {_first(error)}") from None


def read_policy(text: str | bytes) -> Policy:
    """The policy in a JSON text. Raises PolicyError."""
    if len(text) > MAX_POLICY_BYTES:
        raise PolicyError(f"it is longer than {MAX_POLICY_BYTES} bytes")
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        raise PolicyError(_first(error)) from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(str(error)) from None


def write_policy(policy: Policy) -> str:
    """The policy as JSON, every default spelled out; reading it again gives the same."""
    told = policy.model_dump(mode="json", by_alias=True)
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
