"""The messages of a session and what their MACs cover.

Decides the bytes, not the conduct: the lock's side lives in firmware/core/session.py, the
holder's in protocol/holder.py. A message is one type byte and one CBOR item; in messages with a
MAC, the MAC is the last 16 bytes and covers the raw bytes of everything said before, HELLO first,
with lengths prefixed, under a label of its own per direction. `greeting` below is the pair (HELLO,
CHALLENGE) as they were sent. Message types and labels are forever (docs/spec/wire.md).

    holder -> lock   HELLO         [version]
    lock -> holder   CHALLENGE     [version, lock_id, nonce, [lo, hi / null], keyset_version,
                                    status_version, config_version, [epoch, ...], max_fragment]
    holder -> lock   PRESENTATION  [nonce, raw_token, command] MAC_h
    lock -> holder   OUTCOME       [reason, detail, head_seq, head_hash] MAC_l
    holder -> lock   REQUEST       [counter, operation, argument] MAC
    lock -> holder   REPLY         [counter, reason, value] MAC
    lock -> holder   REFUSAL       [reason]               unauthenticated, advisory
"""

from protocol import cbor, forms, reasons, timebound
from protocol.crypto import HASH_BYTES, MAC_BYTES, hmac_sha256, sha256
from protocol.forms import are_uints, is_bytes, is_uint
from protocol.frames import MAX_FRAGMENT_BYTES, MIN_FRAGMENT_BYTES
from protocol.shim import Any
from protocol.timebound import TimeBound
from protocol.token import MAX_TOKEN_BYTES, is_lock_id

WIRE_VERSION = 1
NONCE_BYTES = 16
MAX_PRESENTATION_BYTES = MAX_TOKEN_BYTES + 64
MAX_HELLO_BYTES = 16

HELLO = 1
CHALLENGE = 2
PRESENTATION = 3
OUTCOME = 4
REQUEST = 5
REPLY = 6
REFUSAL = 7

# Commands of a presentation. Append only.
COMMAND_UNLOCK = 1
COMMAND_UNLOCK_REMOTE = 2
COMMAND_LOCK = 3
COMMAND_SYNC = 4  # opens no door: starts housekeeping requests
COMMAND_HOLD_OPEN = 5  # until the token ends, the door's longest hold, or COMMAND_LOCK
COMMAND_EVACUATE = 6  # hold open, with an alarm

# Operations of a request. Append only.
REQUEST_STATE = 1  # null -> state map
REQUEST_AUDIT = 2  # [from_seq, max_records] -> [parcel, seal] (audit.pack)
REQUEST_STATUS_PART = 3  # [header document, offset, piece] -> [next offset / null, version held]
REQUEST_STATUS_DELTA = 4  # [header document, base version, additions] -> [null, version held]
REQUEST_KEYSET = 5  # signed document -> version now held
REQUEST_CONFIG = 6  # signed document -> version now held
REQUEST_TIME = 7  # signed answer to this session's challenge nonce -> [lo, hi]
REQUEST_TIME_RESET = 8  # the same by a root -> [lo, hi]
REQUEST_ACK = 9  # signed acknowledgement -> newest seq acknowledged
REQUEST_HEAD = 10  # nonce -> signed head
REQUEST_TOKEN = 11  # raw token -> null: its signature is checked ahead of its use
REQUEST_CLEAR_KEYPAD = 12  # null -> null

OK = 0

# Outcomes after which a session stays open, to bring documents that may change the lock's mind.
OPEN_FOR_DOCUMENTS = (reasons.NOT_YET_VALID, reasons.EXPIRED, reasons.TIME_UNKNOWN)

# Keys of an outcome's detail map. Append only.
DETAIL_OPENS_AT = 1
DETAIL_RELOCK_AFTER_MS = 2
DETAIL_HELD_UNTIL = 3

_LABEL_PRESENTATION = b"kannuki1-H"
_LABEL_OUTCOME = b"kannuki1-L"
_LABEL_REQUEST = b"kannuki1-h"
_LABEL_REPLY = b"kannuki1-l"


class SessionError(ValueError):
    """A message that does not have the form of its type."""


class Challenge:
    """What a lock says of itself at the start."""

    def __init__(
        self,
        lock_id: str,
        nonce: bytes,
        time: TimeBound,
        versions: tuple,
        epochs: list,
        max_fragment: int,
        version: int = WIRE_VERSION,
    ) -> None:
        self.lock_id = lock_id
        self.nonce = nonce
        self.time = time
        self.versions = versions  # (keyset, status list, configuration)
        self.epochs = epochs
        self.max_fragment = max_fragment
        self.version = version


class Outcome:
    """The lock's authenticated answer; head_seq and head_hash commit it to its journal."""

    def __init__(self, reason: int, detail: dict, head_seq: int, head_hash: bytes) -> None:
        self.reason = reason
        self.detail = detail
        self.head_seq = head_seq
        self.head_hash = head_hash


# --- forms ---


def stays_open(reason: int) -> bool:
    """Whether requests may follow an outcome with this reason."""
    return reason == OK or reason in OPEN_FOR_DOCUMENTS


def encode_hello(version: int = WIRE_VERSION) -> bytes:
    """The holder's first message."""
    return _message(HELLO, [version])


def decode_hello(body: bytes) -> int:
    """The newest wire version that the holder speaks; the lock answers in it or in its own newest.

    Raises SessionError. Longer bodies are refused unread: this is the first thing a stranger says,
    and thousands of empty items would fill a small heap.
    """
    _need(len(body) <= MAX_HELLO_BYTES)
    (version,) = _array(body, 1)
    _need(is_uint(version))
    return version


def encode_challenge(challenge: Challenge) -> bytes:
    """The lock's first message."""
    keyset, status, config = challenge.versions
    members = [challenge.version, challenge.lock_id, challenge.nonce]
    members.append(timebound.to_wire(challenge.time))
    members += [keyset, status, config, challenge.epochs, challenge.max_fragment]
    return _message(CHALLENGE, members)


def decode_challenge(body: bytes) -> Challenge:
    """The challenge in `body`. Raises SessionError."""
    version, lock_id, nonce, time, keyset, status, config, epochs, largest = _array(body, 9)
    _need(is_lock_id(lock_id) and is_bytes(nonce, NONCE_BYTES))
    _need(are_uints(version, keyset, status, config, largest))
    _need(isinstance(epochs, list) and 0 < len(epochs) <= 2 and are_uints(*epochs))
    _need(MIN_FRAGMENT_BYTES <= largest <= MAX_FRAGMENT_BYTES)
    versions = (keyset, status, config)
    return Challenge(lock_id, nonce, _time(time), versions, epochs, largest, version)


def encode_presentation(nonce: bytes, raw_token: bytes, command: int) -> bytes:
    """The presentation without its MAC."""
    return _message(PRESENTATION, [nonce, raw_token, command])


def decode_presentation(body: bytes) -> tuple:
    """(nonce, raw_token, command). Raises SessionError."""
    nonce, raw_token, command = _array(body, 3)
    _need(is_bytes(nonce, NONCE_BYTES) and isinstance(raw_token, bytes) and is_uint(command))
    return nonce, raw_token, command


def open_presentation(presentation: bytes) -> tuple:
    """`decode_presentation` of a message (without its MAC) whose type has not been looked at."""
    kind, body = split(presentation)
    _need(kind == PRESENTATION)
    return decode_presentation(body)


def encode_outcome(outcome: Outcome) -> bytes:
    """The outcome without its MAC."""
    members = [outcome.reason, outcome.detail, outcome.head_seq, outcome.head_hash]
    return _message(OUTCOME, members)


def decode_outcome(body: bytes) -> Outcome:
    """The outcome in `body`. Raises SessionError."""
    reason, detail, head_seq, head_hash = _array(body, 4)
    _need(is_uint(reason) and isinstance(detail, dict) and are_uints(*detail))
    _need(is_uint(head_seq) and is_bytes(head_hash, HASH_BYTES))
    return Outcome(reason, detail, head_seq, head_hash)


def encode_request(counter: int, operation: int, argument: Any) -> bytes:
    """A request without its MAC."""
    return _message(REQUEST, [counter, operation, argument])


def decode_request(body: bytes) -> tuple:
    """(counter, operation, argument). Raises SessionError."""
    counter, operation, argument = _array(body, 3)
    _need(is_uint(counter) and is_uint(operation))
    return counter, operation, argument


def encode_reply(counter: int, reason: int, value: Any) -> bytes:
    """A reply without its MAC."""
    return _message(REPLY, [counter, reason, value])


def decode_reply(body: bytes) -> tuple:
    """(counter, reason, value). Raises SessionError."""
    counter, reason, value = _array(body, 3)
    _need(is_uint(counter) and is_uint(reason))
    return counter, reason, value


def encode_refusal(reason: int) -> bytes:
    """What a peer that has proved nothing is told."""
    return _message(REFUSAL, [reason])


def decode_refusal(body: bytes) -> int:
    """The advisory reason. Raises SessionError, also for one that only a MAC may vouch for."""
    (reason,) = _array(body, 1)
    _need(is_uint(reason) and reason != OK and not reasons.needs_mac(reason))
    return reason


def split(message: bytes) -> tuple:
    """(type, body) of a message. Raises SessionError when it is empty."""
    _need(len(message) > 1)
    return message[0], message[1:]


def split_mac(message: bytes) -> tuple:
    """(message without its MAC, MAC). Raises SessionError when it is too short."""
    _need(len(message) > MAC_BYTES + 1)
    return message[:-MAC_BYTES], message[-MAC_BYTES:]


# --- what the MACs cover ---


def presentation_mac(key: bytes, greeting: tuple, presentation: bytes) -> bytes:
    """MAC_h over the greeting and the raw presentation (without MAC)."""
    return _mac(key, _LABEL_PRESENTATION, *greeting, presentation)


def outcome_mac(
    key: bytes, greeting: tuple, presentation: bytes, mac_h: bytes, outcome: bytes
) -> bytes:
    """MAC_l over everything that was said, the outcome (without MAC) last."""
    return _mac(key, _LABEL_OUTCOME, *greeting, presentation, mac_h, outcome)


def transcript(greeting: tuple, presentation: bytes, outcome: bytes) -> bytes:
    """The 32 bytes that bind later requests and replies to this session alone."""
    return sha256(*_prefixed(*greeting, presentation, outcome))


def request_mac(key: bytes, bound: bytes, request: bytes) -> bytes:
    """The MAC of a request; `bound` is the session's transcript."""
    return _mac(key, _LABEL_REQUEST, bound, request)


def reply_mac(key: bytes, bound: bytes, request: bytes, reply: bytes) -> bytes:
    """The MAC of the reply to `request`."""
    return _mac(key, _LABEL_REPLY, bound, request, reply)


def _mac(key: bytes, label: bytes, *parts: bytes) -> bytes:
    return hmac_sha256(key, label, sha256(*_prefixed(*parts)))[:MAC_BYTES]


def _prefixed(*parts: bytes) -> list:
    out = []
    for part in parts:
        out.append(len(part).to_bytes(4, "big"))
        out.append(part)
    return out


# --- checks ---


def _message(kind: int, members: list) -> bytes:
    return bytes([kind]) + cbor.encode(members)


def _array(body: bytes, count: int) -> list:
    return forms.array(body, count, SessionError)


def _time(value: Any) -> TimeBound:
    _need(isinstance(value, list) and len(value) == 2)
    bound = timebound.from_wire(*value)
    if bound is None:
        raise SessionError("unexpected form")
    return bound


def _need(condition: bool) -> None:
    forms.need(condition, SessionError)
