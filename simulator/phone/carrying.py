"""What a phone carries between the town and a lock while it is there: time, documents, records.

Decides when that is worth it: the time before a second try, when the lock is in doubt or wrong and
the town's own word says that the key is good now; documents and records after an opening, when the
person is in. All of it is signed or sealed by others; carrying it wrong opens nothing. A town that
cannot be reached is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from protocol import lockstate, session, signedtime
from protocol.cose import CoseError
from protocol.session import OK
from protocol.signedtime import SignedTimeError
from simulator.phone.opening import Conversation, Result, TransportError

TIME_MAY_HELP = ("TIME_UNKNOWN", "NOT_YET_VALID", "EXPIRED")
PIECE_BYTES = 1024  # of a status list; a lock holds one piece in memory
RECORDS_AT_ONCE = 8
PARCELS = 3
_WHOLE = {
    "keyset": session.REQUEST_KEYSET,
    "config": session.REQUEST_CONFIG,
    "ack": session.REQUEST_ACK,
}


@dataclass(frozen=True)
class StatusList:
    """The newest list for a lock; `additions` are for one that holds `base_version`."""

    version: int
    document: bytes
    entries: bytes
    base_version: int | None
    additions: bytes | None


@dataclass(frozen=True)
class Documents:
    """`others`: {"keyset" | "config" | "ack": signed document}."""

    status: StatusList | None
    others: dict[str, bytes]


class Town(Protocol):
    """The town's service for one lock; every method raises TransportError when it is far."""

    async def signed_time(self, nonce: bytes) -> bytes: ...

    async def documents(self) -> Documents: ...

    async def take_parcel(self, parcel: bytes, seal: bytes) -> None: ...

    async def note_head(self, seq: int, record_hash: bytes) -> None: ...


async def present(conversation: Conversation, command: int, town: Town) -> Result:
    """Present; if the lock's clock is the hindrance, bring the time and present once more.

    Raises TransportError until the lock has answered; afterwards its last answer stands.
    """
    result = await conversation.present(command)
    if result.code not in TIME_MAY_HELP:
        return result
    try:
        if await _bring_time(conversation, town):
            return await conversation.present(command)
    except TransportError:
        return result
    return result


async def _bring_time(conversation: Conversation, town: Town) -> bool:
    """Whether the lock took a time at which the key is good."""
    document = await town.signed_time(conversation.challenge.nonce)
    try:
        answer = signedtime.parse(document)[1]
    except (CoseError, SignedTimeError):
        return False
    token = conversation.credential.token
    if not token.not_before <= answer.t < token.expires_at:
        return False
    reason, _ = await conversation.ask(session.REQUEST_TIME, document)
    return reason == OK


async def run_errands(conversation: Conversation, result: Result, town: Town) -> None:
    """After an opening: tell where the journal stood, bring documents, take records home."""
    try:
        if result.head is not None:
            await town.note_head(*result.head)
        await _bring_documents(conversation, await town.documents())
        await _take_records(conversation, town)
    except TransportError:
        return  # the person is gone, or the town is far: the next one carries it


async def _bring_documents(conversation: Conversation, found: Documents) -> None:
    for what, operation in _WHOLE.items():
        if what in found.others:
            await conversation.ask(operation, found.others[what])
    held = conversation.challenge.versions[1]
    if found.status is not None and found.status.version > held:
        await _bring_status(conversation, found.status, held)


async def _bring_status(conversation: Conversation, status: StatusList, held: int) -> None:
    """The difference if there is one to what the lock holds, else piece by piece."""
    if status.additions is not None and status.base_version == held:
        delta = [status.document, held, status.additions]
        if (await conversation.ask(session.REQUEST_STATUS_DELTA, delta))[0] == OK:
            return
    for offset, piece in _pieces(status.entries):
        argument = [status.document, offset, piece]
        if (await conversation.ask(session.REQUEST_STATUS_PART, argument))[0] != OK:
            return


def _pieces(entries: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, piece); a list without entries is one empty piece."""
    for offset in range(0, max(1, len(entries)), PIECE_BYTES):
        yield offset, entries[offset : offset + PIECE_BYTES]


async def _take_records(conversation: Conversation, town: Town) -> None:
    """The oldest records that the town has not acknowledged, a few parcels of them."""
    reason, state = await conversation.ask(session.REQUEST_STATE, None)
    if reason != OK:
        return
    first = max(state[lockstate.STATE_ACKED_SEQ] + 1, state[lockstate.STATE_OLDEST_SEQ])
    last = state[lockstate.STATE_HEAD_SEQ]
    for seq in list(range(first, last + 1, RECORDS_AT_ONCE))[:PARCELS]:
        reason, parcel = await _parcel(conversation, seq)
        if reason != OK:
            return
        await town.take_parcel(*parcel)


async def _parcel(conversation: Conversation, seq: int) -> tuple[int, Any]:
    return await conversation.ask(session.REQUEST_AUDIT, [seq, RECORDS_AT_ONCE])
