"""The cloud's side of a scenario: takes what gateways publish, acknowledges, keeps records.

Decides what counts as come home: a batch whose seal is right and whose records can be read; the
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
)
from protocol import audit
from protocol.audit import AuditError
from protocol.crypto import same_bytes

Key = tuple[str, int, int]  # (lock, journal epoch, seq)


class Home:
    """`audit_keys`: {lock id: key}; `say(topic, payload)` publishes."""

    def __init__(
        self, town: str, audit_keys: Mapping[str, bytes], say: Callable[[str, bytes], None]
    ) -> None:
        self.records: dict[Key, bytes] = {}
        self.decoded: dict[Key, audit.Record] = {}
        self.results: dict[str, CommandResult] = {}
        self.states: dict[str, LockState] = {}
        self.records_heard = 0
        self.faults: list[str] = []
        self._town = town
        self._audit_keys = audit_keys
        self._say = say

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
        key = self._audit_keys.get(event.lock)
        if key is None or not same_bytes(audit.seal(key, event.batch), event.seal):
            raise AuditError("the seal is not the lock's")
        batch = audit.decode_batch(event.batch)
        for raw in batch.records:
            record = audit.decode_record(raw)
            place = (batch.lock_id, batch.journal_epoch, record.seq)
            self.records_heard += 1
            if self.records.setdefault(place, raw) != raw:
                raise AuditError(f"two different records at {place}")
            self.decoded[place] = record
