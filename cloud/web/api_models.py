"""What goes in over HTTP. Answers are plain dictionaries: `cloud.reports` and the handlers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kannuki.messages import Bytes

Secret = Field(pattern=r"^[A-Za-z0-9_-]{16,128}$", description="What follows # in a key link.")


class Request(BaseModel):
    """Every body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class KeyClaim(Request):
    """A device asks for its key. device_key: P-256, uncompressed, 65 bytes, base64url."""

    secret: str = Secret
    device_key: Bytes


class KeyCancel(Request):
    """The resident gives the booking back."""

    secret: str = Secret


class KeyLinkShown(Request):
    """A link that its owner wants to see again."""

    secret: str = Secret


class KeyDispute(Request):
    """ "It was not me." """

    secret: str = Secret


class KeyAgain(Request):
    """Somebody whose page lost its storage. reference: the booking's id."""

    reference: str = Field(min_length=4, max_length=40)
    contact: str = Field(min_length=3, max_length=200)


class StaffKeyWish(Request):
    """A member of staff opens one door. for_s: how long the key lives; a booking's: 14 minutes."""

    lock_id: str = Field(pattern=r"^[a-z2-7]{8}$")
    reason: str = Field(min_length=2, max_length=300)
    device_key: Bytes
    booking_id: str | None = Field(default=None, min_length=1, max_length=24)
    for_s: int = Field(default=600, ge=60, le=7 * 86_400)


class PinSlip(Request):
    """Whose number is printed; '' for whoever booked."""

    holder_id: str = Field(default="", max_length=24)


class KeyReissue(Request):
    """Whose link is made anew ('' for whoever booked), and why."""

    holder_id: str = Field(default="", max_length=24)
    note: str = Field(default="", max_length=200)


class RelayStart(Request):
    """The holder's HELLO for a lock."""

    lock_id: str = Field(pattern=r"^[a-z2-7]{8}$")
    message: Bytes


class RelayNext(Request):
    """The holder's next message."""

    message: Bytes


class TimeNonce(Request):
    """The nonce of a lock's challenge: 16 bytes, base64url."""

    nonce: Bytes


class CarriedParcel(Request):
    """Records that a phone carried home, as the lock gave them."""

    parcel: Bytes
    seal: Bytes


class CarriedHead(Request):
    """Where the lock's journal stood: seq and hash of an outcome, or a head that the lock signed.

    One of the two: `seq` with `hash`, or `document`.
    """

    seq: int | None = Field(default=None, ge=1, lt=1 << 53)
    hash: Bytes | None = None
    document: Bytes | None = None


class ProblemBody(BaseModel):
    """Every answer that is not what was asked for."""

    model_config = ConfigDict(populate_by_name=True)

    code: str
    ja: str
    ja_simple: str = Field(alias="ja-simple")
    en: str
