"""What goes over MQTT: the payloads (JSON) and the channels they travel on.

Decides shapes, not conduct. The AsyncAPI document is generated from `CHANNELS`; a test holds it
against real traffic. Bytes travel as base64url without padding. Times are Unix seconds of the
town's clock. Messages never carry names, and nothing here opens a door by itself: a relayed
presentation is useless without the fresh nonce of the lock that it answers.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)

TOPIC_ROOT = "kannuki/v1"
MAX_PAYLOAD_BYTES = 65536
FIRMWARE = r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,19}$"


def from_base64url(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or "=" in value:
        raise ValueError("expected base64url text without padding")
    raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    if to_base64url(raw) != value:
        raise ValueError("not canonical base64url")
    return raw


def to_base64url(raw: bytes) -> str:
    """`raw` as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bounded(raw: bytes) -> bytes:
    if len(raw) > 32768:
        raise ValueError("longer than 32768 bytes")
    return raw


Bytes = Annotated[
    bytes,
    BeforeValidator(from_base64url),
    AfterValidator(_bounded),
    PlainSerializer(to_base64url, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]*$", "maxLength": 43691}),
]
# What a topic's parameters may be. No gateway is named as a lock could be: neither passes as one.
TOWN_PATTERN = "^[a-z0-9][a-z0-9-]{0,31}$"
LOCK_PATTERN = "^[a-z2-7]{8}$"
GATEWAY_PATTERN = "^(?![a-z2-7]{8}$)[a-z0-9][a-z0-9-]{0,31}$"


def _is_no_lock(value: str) -> str:
    if re.fullmatch(LOCK_PATTERN, value):
        raise ValueError("a gateway's id must not look like a lock's (8 of a-z and 2-7)")
    return value


GatewayId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$"), AfterValidator(_is_no_lock)]
LockId = Annotated[str, Field(pattern=LOCK_PATTERN)]
DeviceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
MessageId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
UnixSeconds = Annotated[int, Field(ge=0, lt=1 << 40)]


class Message(BaseModel):
    """Every payload: unknown members are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- state: retained, from a gateway ---


class GatewayState(Message):
    """A gateway is there, or (as its will) is gone; it says so again every `beats_every_s`.

    A broker that is killed may forget a will, or restore a state that was overtaken: who hears
    nothing for a while takes a gateway that beats for gone. 0: it does not beat.
    """

    kind: Literal["gateway"] = "gateway"
    online: bool
    version: str = ""
    started_at: UnixSeconds = 0
    waiting_events: int = 0
    outbox_full: bool = False  # its disk is: records stay in the locks until there is room
    beats_every_s: int = Field(default=0, ge=0, le=3600)


class LockState(Message):
    """What a gateway last learnt from a lock, under the lock's MAC; or that it cannot reach it."""

    kind: Literal["lock"] = "lock"
    reachable: bool
    seen_at: UnixSeconds
    bolt: Literal["locked", "unlocked", "moving", "jammed", "unknown"] = "unknown"
    door: Literal["open", "closed", "unknown"] = "unknown"
    status_version: int = 0
    keyset_version: int = 0
    config_version: int = 0
    head_seq: int = 0
    acked_seq: int = 0
    time_lo: UnixSeconds = 0
    time_hi: UnixSeconds | None = None  # None: the lock does not know how late it is
    keypad: Literal["ready", "waits", "disabled", "off", "unknown"] = "unknown"
    held_open: bool = False
    lost_records: int = 0  # since the lock started; storage refused them
    battery: int | None = Field(default=None, ge=0, le=100)  # per cent; None: it does not say
    firmware: str = Field(default="", pattern=f"{FIRMWARE}|^$")  # "": it does not say
    gateway: DeviceId | None = None  # who tells this; None: one from before it said so


# --- event: from a gateway, kept in its outbox until acknowledged ---


class AuditEvent(Message):
    """Hidden, sealed records of one lock (protocol/audit.py); `id` is acknowledged after commit."""

    kind: Literal["audit"] = "audit"
    id: MessageId
    lock: LockId
    parcel: Bytes
    seal: Bytes


# --- request: from a gateway, answered by a command, worthless after seconds ---


class TimeRequest(Message):
    """A lock's nonce, to be signed together with the town's time (protocol/signedtime.py)."""

    kind: Literal["time"] = "time"
    id: MessageId
    lock: LockId
    nonce: Bytes


# --- command: to a gateway or, through it, to a lock; never retained ---


class EventAck(Message):
    """The cloud has committed these events: the gateway may forget them."""

    kind: Literal["event_ack"] = "event_ack"
    ids: list[MessageId] = Field(min_length=1, max_length=100)


class RelayOpen(Message):
    """Connect to the lock, greet it, and answer with its challenge."""

    kind: Literal["relay_open"] = "relay_open"
    id: MessageId
    session: MessageId
    message: Bytes  # the holder's HELLO
    expires_at: UnixSeconds
    via: DeviceId | None = None  # the gateway that shall act; None: whoever reaches the lock


class RelaySend(Message):
    """Pass the holder's next message to the lock and answer with what the lock says."""

    kind: Literal["relay_send"] = "relay_send"
    id: MessageId
    session: MessageId
    message: Bytes
    expires_at: UnixSeconds
    via: DeviceId | None = None  # as in RelayOpen


class RelayClose(Message):
    """The phone is done: hang up."""

    kind: Literal["relay_close"] = "relay_close"
    id: MessageId
    session: MessageId
    expires_at: UnixSeconds


class StatusPut(Message):
    """Carry this status list to the lock; answered when the lock holds that version.

    `document`: the signed header; `entries`: all of them; `additions`: what a lock lacks that holds
    `base_version` (None: no delta was made). The gateway sends whichever the lock can take.
    """

    kind: Literal["status_put"] = "status_put"
    id: MessageId
    document: Bytes
    version: int
    entries: Bytes
    base_version: int | None = None
    additions: Bytes | None = None
    expires_at: UnixSeconds


class DocumentPut(Message):
    """Carry this signed document to the lock; answered when the lock holds that version.

    `version` of an acknowledgement is the seq that it acknowledges.
    """

    kind: Literal["document_put"] = "document_put"
    id: MessageId
    what: Literal["keyset", "config", "ack"]
    document: Bytes
    version: int
    expires_at: UnixSeconds


class TokenPut(Message):
    """Bring this token to the lock ahead of its use, so that it checks the signature beforehand.

    Answered when the lock has taken it. A gateway keeps it in memory, until `expires_at` and no
    longer: what is lost is sent again, and what never arrives costs its holder a second.
    """

    kind: Literal["token_put"] = "token_put"
    id: MessageId
    token: Bytes  # opens nothing without its proof key, which is not here
    expires_at: UnixSeconds


class TimeAnswer(Message):
    """The signed answer to a TimeRequest; `id` is the request's. Not answered."""

    kind: Literal["time_answer"] = "time_answer"
    id: MessageId
    document: Bytes
    expires_at: UnixSeconds


# --- response: from a gateway, one for each command that has an id ---


class CommandResult(Message):
    """What became of a command; `message` is what the lock said, `error` a text code."""

    kind: Literal["result"] = "result"
    id: MessageId
    ok: bool
    error: str | None = Field(default=None, pattern=r"^[A-Z_]{1,40}$")
    message: Bytes | None = None
    version: int | None = None
    gateway: DeviceId | None = None  # who answers


@dataclass(frozen=True)
class Channel:
    """One topic pattern and what travels on it.

    `of_gateways`: kinds that travel on a gateway's own topic; all others on a lock's. `expires_s`:
    the longest message expiry; None where a message must not expire.
    """

    address: str
    direction: Literal["to-device", "from-device"]
    retained: bool
    description: str
    payloads: dict[str, type[Message]]
    of_gateways: frozenset[str] = frozenset()
    expires_s: int | None = None


CHANNELS: dict[str, Channel] = {
    "state": Channel(
        f"{TOPIC_ROOT}/{{town}}/{{device}}/state",
        "from-device",
        True,
        "Availability of a gateway (also its will) and last known state of a lock.",
        {"gateway": GatewayState, "lock": LockState},
        of_gateways=frozenset({"gateway"}),
    ),
    "event": Channel(
        f"{TOPIC_ROOT}/{{town}}/{{device}}/event",
        "from-device",
        False,
        "Audit records coming home; said again until acknowledged by id, so each time may expire.",
        {"audit": AuditEvent},
        of_gateways=frozenset({"audit"}),
        expires_s=60,
    ),
    "request": Channel(
        f"{TOPIC_ROOT}/{{town}}/{{device}}/request",
        "from-device",
        False,
        "What a gateway needs of the town at once, while a lock waits; message expiry set.",
        {"time": TimeRequest},
        of_gateways=frozenset({"time"}),
        expires_s=60,
    ),
    "command": Channel(
        f"{TOPIC_ROOT}/{{town}}/{{device}}/command",
        "to-device",
        False,
        "Commands to a gateway (event_ack) or to a lock through its gateway; message expiry set.",
        {
            "event_ack": EventAck,
            "relay_open": RelayOpen,
            "relay_send": RelaySend,
            "relay_close": RelayClose,
            "status_put": StatusPut,
            "document_put": DocumentPut,
            "token_put": TokenPut,
            "time_answer": TimeAnswer,
        },
        of_gateways=frozenset({"event_ack"}),
        expires_s=120,
    ),
    "response": Channel(
        f"{TOPIC_ROOT}/{{town}}/{{device}}/response",
        "from-device",
        False,
        "The one answer to each command that carries an id.",
        {"result": CommandResult},
        expires_s=60,
    ),
}


class PayloadError(ValueError):
    """A payload that is not one of its channel's messages."""


def topic(town: str, device: str, channel: str) -> str:
    """The topic of `channel` for a device (a gateway's or a lock's id; `+` for all)."""
    return CHANNELS[channel].address.format(town=town, device=device)


def split_topic(value: str) -> tuple[str, str, str] | None:
    """(town, device, channel) of a topic of ours, or None."""
    parts = value.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != TOPIC_ROOT or parts[4] not in CHANNELS:
        return None
    return parts[2], parts[3], parts[4]


def identity(town: str, name: str) -> str:
    """Who a program of a town is at its broker: its certificate's common name, its client id."""
    return f"{town}.{name}"


def correlation_of(message: Message) -> bytes | None:
    """Correlation data (MQTT 5, 3.3.2.3.6) of a command and of its answer: the id in the payload,
    which alone says what answers what."""
    command_id = getattr(message, "id", None)
    return command_id.encode() if isinstance(command_id, str) else None


def encode(message: Message) -> bytes:
    """The JSON payload."""
    return message.model_dump_json(exclude_none=True).encode()


def decode(channel: str, payload: bytes) -> Message:
    """The message in `payload`. Raises PayloadError for anything else, of any size."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError("payload too large")
    try:
        return _ADAPTERS[channel].validate_json(payload)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"not a {channel} message: {error}") from error


def _adapter(channel: Channel) -> TypeAdapter[Any]:
    kinds = tuple(channel.payloads.values())
    if len(kinds) == 1:
        return TypeAdapter(kinds[0])
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


_ADAPTERS = {name: _adapter(channel) for name, channel in CHANNELS.items()}
