"""The town's end of MQTT: takes news in, sends commands out.

Decides what each message becomes (a row, an answer handed to the relay, an acknowledgement), and
that an event is acknowledged only after its commit. A payload that is none of ours is counted and
dropped. Everything that must not be lost is in the database before anything is said about it, so
this process may be killed between any two lines.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable

from sqlalchemy.orm import Session

from cloud import ahead, documents, fleet, receipts, timesource, vigil, witness
from cloud.ahead import DueToken
from cloud.alarms import raise_alarm, raise_seldom
from cloud.audit import take_parcel
from cloud.documents import DueDocument
from cloud.fleet import DueList
from cloud.models import Lock
from cloud.pulse import Pulse
from cloud.relay import RelayHub
from cloud.service import TownService
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    DocumentPut,
    EventAck,
    GatewayState,
    LockState,
    Message,
    PayloadError,
    StatusPut,
    TimeAnswer,
    TimeRequest,
    TokenPut,
    correlation_of,
    decode,
    encode,
    split_topic,
    topic,
)
from kannuki.mqtt import LinkSettings, MqttLink

log = logging.getLogger(__name__)
POLL_S = 0.5
PULSE_EVERY_S = 1.0
WATCH_EVERY_S = 30.0
PUT_EXPIRES_S = 30.0
TIME_EXPIRES_S = 10.0
TOKEN_EXPIRES_S = 120.0  # two of a gateway's rounds
ACK_EXPIRES_S = 60.0
RETRY_FAULT_S = 1.0
MAX_WAITING = 2_000
_STATUS_ID = "status"
_DOCUMENT_ID = "document"
_DEVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")


class BrokerWorker:
    """Runs beside the HTTP server. `counts` tells what came and what was dropped."""

    def __init__(
        self,
        service: TownService,
        settings: LinkSettings,
        *,
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.link = MqttLink(settings, random=random, on_connected=self._on_connected)
        self.hub = RelayHub(
            self.send,
            service.clock,
            monotonic,
            service.random_bytes,
            lambda: self.link.is_connected,
        )
        self._service = service
        self._wake = asyncio.Event()
        self._pulse = Pulse(monotonic)
        self._news: asyncio.Queue[tuple[str, Message | None]] = asyncio.Queue(MAX_WAITING)

    async def run(self) -> None:
        """Until cancelled."""
        for channel in ("event", "request", "response", "state"):  # retained states come last
            await self.link.subscribe(topic(self._service.town, "+", channel))
        async with self.link, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._take_news())
            tasks.create_task(self._send_outbox())
            tasks.create_task(self._feel_pulse())
            tasks.create_task(self._watch())

    def poke(self) -> None:
        """Something was put into the outbox: look now."""
        self._wake.set()

    async def send(self, device: str, command: Message, expires_after_s: float) -> None:
        """Publishes a command that the broker drops when it is too old. Raises TimeoutError."""
        town, is_answered = self._service.town, not isinstance(command, EventAck | TimeAnswer)
        await self.link.publish(
            topic(town, device, "command"),
            encode(command),
            expires_after_s=expires_after_s,
            response_topic=topic(town, device, "response") if is_answered else None,
            correlation=correlation_of(command) if is_answered else None,
        )

    async def _on_connected(self, _link: MqttLink) -> None:
        self._pulse.begin_anew()
        await asyncio.to_thread(self._make_due)
        self.poke()

    def _make_due(self) -> None:
        with self._service.database.write() as session:
            fleet.make_waiting_due(session, self._service.clock())
            documents.make_waiting_due(session, self._service.clock())
            ahead.make_waiting_due(session, self._service.clock())

    # --- in ---

    async def _read(self) -> None:
        async for received in self.link.messages():
            parts = split_topic(received.topic)
            if parts is None or parts[0] != self._service.town or not _DEVICE.match(parts[1]):
                self.counts["dropped"] += 1
                continue
            _, device, channel = parts
            try:
                message = decode(channel, received.payload)
            except PayloadError:
                self.counts["dropped"] += 1
                log.warning("%s sent something that is no %s message", device, channel)
                await self._news.put((device, None))
                continue
            self.counts[channel] += 1
            await self._dispatch(device, message)

    async def _dispatch(self, device: str, message: Message) -> None:
        """Answers for phones go on at once; what needs the database waits its turn."""
        if isinstance(message, GatewayState):
            self._pulse.heard(device, message)
        if isinstance(message, CommandResult) and self.hub.on_result(message):
            return
        if isinstance(message, TimeRequest):
            await self._answer_time(message)
        await self._news.put((device, message))

    async def _answer_time(self, asked: TimeRequest) -> None:
        """At once, and with nothing kept: a lock waits, and its nonce ends with its session."""
        document = timesource.answer(self._service, asked.lock, asked.nonce)
        if document is None:
            self.counts["dropped"] += 1
            return
        expires_at = self._service.clock() + int(TIME_EXPIRES_S)
        told = TimeAnswer(id=asked.id, document=document, expires_at=expires_at)
        try:
            await self.send(asked.lock, told, TIME_EXPIRES_S)
        except TimeoutError:
            log.warning("signed time did not reach the broker; the lock asks again")

    async def _take_news(self) -> None:
        while True:
            device, message = await self._news.get()
            try:
                await asyncio.to_thread(self._take, device, message)
            except Exception:  # noqa: BLE001 - the database is away or full: events come again
                log.exception("could not keep a %s of %s", type(message).__name__, device)
                self.counts["faults"] += 1
                await asyncio.sleep(RETRY_FAULT_S)
                continue
            if isinstance(message, AuditEvent):
                await self._acknowledge(device, message)
            elif isinstance(message, GatewayState) and not message.online:
                self.hub.gateway_gone(device)
                await self._give_up_relays()
            self.poke()

    async def _give_up_relays(self) -> None:
        """A gateway is gone: whoever waits for a lock that only it reached is told at once."""
        waiting = self.hub.waiting_locks()
        if waiting:
            self.hub.give_up(await asyncio.to_thread(self._unreachable, waiting))

    def _unreachable(self, lock_ids: set[str]) -> set[str]:
        with self._service.database.read() as session:
            return {lock for lock in lock_ids if fleet.gateway_is_offline(session, lock)}

    async def _acknowledge(self, gateway: str, event: AuditEvent) -> None:
        try:
            await self.send(gateway, EventAck(ids=[event.id]), ACK_EXPIRES_S)
        except TimeoutError:
            log.warning("an acknowledgement did not reach the broker; the event will come again")

    def _take(self, device: str, message: Message | None) -> None:
        """Commits one piece of news; None: what came was no message."""
        if isinstance(message, TimeRequest) and self._is_ours(message.lock):
            return
        now = self._service.clock()
        with self._service.database.write() as session:
            if message is None:
                raise_seldom(session, witness.GARBAGE, device, "it sent what is no message", now)
            elif isinstance(message, TimeRequest):
                detail = f"{device} asks the time for it"
                raise_seldom(session, "UNKNOWN_LOCK", message.lock, detail, now)
            elif isinstance(message, GatewayState):
                fleet.note_gateway(session, device, message, now)
            elif isinstance(message, LockState):
                self._take_state(session, device, message, now)
            elif isinstance(message, CommandResult):
                _note_result(session, device, message, now)
            elif isinstance(message, AuditEvent):
                self._take_parcel(session, device, message, now)

    def _is_ours(self, lock_id: str) -> bool:
        with self._service.database.read() as session:
            return session.get(Lock, lock_id) is not None

    def _take_state(self, session: Session, lock_id: str, state: LockState, now: int) -> None:
        lock = session.get(Lock, lock_id)
        for detail in witness.contradictions(session, lock, state, now) if lock else ():
            raise_seldom(session, witness.CONTRADICTS, lock_id, detail, now)
        state = state.model_copy(update={"seen_at": min(state.seen_at, now)})
        if fleet.note_lock(session, lock_id, state, now):
            fleet.offer_keyset(session, lock_id, self._service.keyset, now)
        else:
            raise_alarm(session, "UNKNOWN_LOCK", lock_id, "a gateway reports it", now)

    def _take_parcel(self, session: Session, gateway: str, event: AuditEvent, now: int) -> None:
        vault, signers = self._service.vault, self._service.signers
        taken = take_parcel(session, vault, gateway, event.parcel, event.seal, now)
        self.counts["audit_records"] += taken.stored
        self.counts["audit_rejected"] += not taken.accepted
        if taken.lock_id is not None:
            if taken.stored:  # what is known already may be a recording, played by any gateway
                fleet.note_carrier(session, taken.lock_id, gateway)
            receipts.acknowledge(session, signers, taken.lock_id, taken.journal_epoch, now)

    async def _feel_pulse(self) -> None:
        """A gateway that is missed is gone, as if its will had said so."""
        while True:
            await asyncio.sleep(PULSE_EVERY_S)
            if self.link.is_connected:
                for gateway, gone in self._pulse.missed():
                    log.warning("%s is not heard any more", gateway)
                    await self._news.put((gateway, gone))

    async def _watch(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._look_around)
            except Exception:  # noqa: BLE001 - the database is away: the next round looks
                log.exception("could not look for what is missing")
                self.counts["faults"] += 1
            await asyncio.sleep(WATCH_EVERY_S)

    def _look_around(self) -> None:
        database, now = self._service.database, self._service.clock()
        with database.read() as session:
            if vigil.is_settled(session, vigil.find(session, now)):
                return
        with database.write() as session:
            vigil.settle(session, vigil.find(session, now), now)

    # --- out ---

    async def _send_outbox(self) -> None:
        while True:
            await self.link.connected()
            try:
                due_lists, due_documents, due_tokens = await asyncio.to_thread(self._due)
            except Exception:  # noqa: BLE001 - the database is away: the outbox waits in it
                log.exception("could not read the outbox")
                self.counts["faults"] += 1
                due_lists, due_documents, due_tokens = [], [], []
            for entry in due_lists:
                await self._put(entry.lock_id, self._status_put(entry))
            for document in due_documents:
                await self._put(document.lock_id, self._document_put(document))
            for token in due_tokens:
                await self._put(token.lock_id, self._token_put(token), TOKEN_EXPIRES_S)
            await self._pause()

    def _status_put(self, entry: DueList) -> StatusPut:
        return StatusPut(
            id=f"{_STATUS_ID}-{entry.lock_id}-{entry.version}",
            document=entry.document,
            version=entry.version,
            entries=entry.entries,
            base_version=entry.delta.base_version if entry.delta else None,
            additions=entry.delta.additions if entry.delta else None,
            expires_at=self._service.clock() + int(PUT_EXPIRES_S),
        )

    def _document_put(self, due: DueDocument) -> DocumentPut:
        return DocumentPut(
            id=f"{_DOCUMENT_ID}-{due.what}-{due.lock_id}-{due.version}",
            what=due.what,
            document=due.document,
            version=due.version,
            expires_at=self._service.clock() + int(PUT_EXPIRES_S),
        )

    def _token_put(self, due: DueToken) -> TokenPut:
        expires_at = min(due.expires_at, self._service.clock() + int(TOKEN_EXPIRES_S))
        return TokenPut(id=due.command_id, token=due.raw_token, expires_at=expires_at)

    async def _put(
        self, lock_id: str, command: Message, expires_after_s: float = PUT_EXPIRES_S
    ) -> None:
        try:
            await self.send(lock_id, command, expires_after_s)
        except TimeoutError:
            log.warning("a document did not reach the broker; it will be sent again")

    def _due(self) -> tuple[list[DueList], list[DueDocument], list[DueToken]]:
        """In the order of their urgency: withdrawals, then papers, then what is only faster."""
        database, now = self._service.database, self._service.clock()
        with database.read() as session:
            is_due = (fleet.has_due_lists, documents.has_due, ahead.has_due)
            if not any(has(session, now) for has in is_due):
                return [], [], []
        with database.write() as session:
            return (
                fleet.due_lists(session, now),
                documents.due(session, now),
                ahead.due(session, now),
            )

    async def _pause(self) -> None:
        """Until poked; other processes write to the outbox too, so never for long."""
        try:
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


def _note_result(session: Session, device: str, result: CommandResult, now: int) -> None:
    kind, _, rest = result.id.partition("-")
    if kind == ahead.ID:
        if not ahead.note_result(session, device, result, now):
            _doubt_answer(session, device, now)
        return
    if not result.ok or kind not in (_STATUS_ID, _DOCUMENT_ID):
        return
    names = rest.split("-")
    if len(names) != (2 if kind == _STATUS_ID else 3) or not names[-1].isdecimal():
        return
    if names[-2] != device:  # a broker lets a gateway answer on its own locks' topics alone
        _doubt_answer(session, device, now)
        return
    held = result.version if result.version is not None else int(names[-1])
    if kind == _STATUS_ID:
        fleet.acknowledge_list(session, device, held)
    else:
        documents.acknowledge(session, device, names[0], held, now)


def _doubt_answer(session: Session, lock_id: str, now: int) -> None:
    detail = "its gateway answers for another lock"
    raise_seldom(session, witness.CONTRADICTS, lock_id, detail, now)
