"""The cloud's side of a scenario: takes what gateways publish, acknowledges, keeps records.

Decides what counts as come home: a parcel whose seal is right and whose records can be read; the
event is acknowledged after that. A second, different record of the same (lock, epoch, seq) is a
fault. Says and hears bytes on topics; broker and time are handed in, so both depths share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kannuki import messages
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    EventAck,
    LockState,
    Message,
    PayloadError,
    TimeAnswer,
    TimeRequest,
)
from protocol import audit
from protocol.audit import AuditError
from simulator.town_keys import aes

Key = tuple[str, int, int]  # (lock, journal epoch, seq)


class Home:
    """`kdks`: {lock id: key}; `say(topic, payload)` publishes.

    `tell_time(lock id, nonce)` gives (a signed answer, when it expires); None: nobody answers.
    """

    def __init__(
        self,
        town: str,
        kdks: Mapping[str, bytes],
        say: Callable[[str, bytes], None],
        tell_time: Callable[[str, bytes], tuple[bytes, int]] | None = None,
    ) -> None:
        self.records: dict[Key, bytes] = {}
        self.decoded: dict[Key, audit.Record] = {}
        self.results: dict[str, CommandResult] = {}
        self.states: dict[str, LockState] = {}
        self.records_heard = 0
        self.faults: list[str] = []
        self._town = town
        self._kdks = kdks
        self._say = say
        self._tell_time = tell_time

    def wants(self, topic: str) -> bool:
        """Whether a topic is one of those a cloud listens to."""
        parts = messages.split_topic(topic)
        return parts is not None and parts[0] == self._town and parts[2] != "command"

    def command(self, device: str, command: Message) -> None:
        """Say a command to a gateway or a lock."""
        self._say(messages.topic(self._town, device, "command"), messages.encode(command))

    def hear(self, topic: str, payload: bytes) -> None:
        """Take in a publication."""
        parts = messages.split_topic(topic)
        assert parts is not None
        try:
            message = messages.decode(parts[2], payload)
        except PayloadError as error:
            self.faults.append(f"{topic}: {error}")
            return
        if isinstance(message, AuditEvent):
            self._on_event(parts[1], message)
        elif isinstance(message, CommandResult):
            self.results[message.id] = message
        elif isinstance(message, LockState):
            self.states[parts[1]] = message
        elif isinstance(message, TimeRequest) and self._tell_time is not None:
            document, expires_at = self._tell_time(message.lock, message.nonce)
            answer = TimeAnswer(id=message.id, document=document, expires_at=expires_at)
            self.command(message.lock, answer)

    def of(self, lock_id: str) -> list[bytes]:
        """The raw records of one lock that are home, by epoch and seq."""
        return [self.records[key] for key in sorted(self.records) if key[0] == lock_id]

    def _on_event(self, gateway: str, event: AuditEvent) -> None:
        try:
            self._keep(event)
        except AuditError as error:
            self.faults.append(f"event {event.id}: {error}")
            return
        self.command(gateway, EventAck(ids=[event.id]))

    def _keep(self, event: AuditEvent) -> None:
        kdk = self._kdks.get(event.lock)
        if kdk is None:
            raise AuditError("no lock of this town")
        parcel = audit.decode_parcel(event.parcel)
        for raw in audit.unpack(aes, kdk, event.parcel, event.seal):
            record = audit.decode_record(raw)
            place = (parcel.lock_id, parcel.journal_epoch, record.seq)
            self.records_heard += 1
            if self.records.setdefault(place, raw) != raw:
                raise AuditError(f"two different records at {place}")
            self.decoded[place] = record
