"""A street whose gateway is killed again and again: real locks, broker, town and gateway program.

The locks are the firmware's own core behind real doors of rules; they live in this process, as they
live on in their doors when a gateway dies, and are reached over a Unix socket. The town is its real
service with a database and its real broker worker: it commits, acknowledges, signs receipts and
changes settings. People press the exit buttons, a phone asks for one door through the gateway.

Decides how to count: what the locks recorded against what the town holds, and what the bolts did
against what people asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from cloud import bookings, lock_settings
from cloud.broker_worker import BrokerWorker
from cloud.keylinks import lock_key
from cloud.models import Alarm, AuditRecord, DocumentOutbox, Lock, Room
from cloud.ports import TokenOrder
from cloud.problems import Problem
from cloud.trust import gateway_file, trust_file
from firmware.core.identity import Identity
from firmware.core.session import SEND
from kannuki.broker import BrokerFiles, write_config
from kannuki.enrolment import EnrolmentFile, write_file
from kannuki.mqtt import LinkSettings
from kannuki.parts import require_program
from kannuki.settings import free_port
from protocol import audit, holder, lockconfig, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from simulator.virtual.lock import VirtualLock
from tests.cloud.support import TOWN, Town, open_town
from tests.gateway.lives import frame, read_frame

BUTTONS, REMOTE = ("aaaaaaaa", "bbbbbbbb"), "cccccccc"
MTU = 247
SENSE_S = 0.04
SOON_S = 45.0
RELAY_WITHIN_S = 2.0
TICKET = bytes(32)


@dataclass
class DoorOfStreet:
    """A lock, its door, and what people asked of it."""

    lock: VirtualLock
    asked: int = 0  # times that the bolt was to be drawn
    granted: int = 0  # times that a phone was told so
    writers: dict[int, asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def drawn(self) -> int:
        """Times that the bolt was drawn back."""
        return self.lock.happened.count("bolt_retracted")

    @property
    def is_shut(self) -> bool:
        return bool(self.lock.door.bolt == 1.0 and not self.lock.door.is_moving)

    def deliver(self) -> None:
        """What the lock has to say, to those whom it concerns."""
        for action in self.lock.core.sessions.drain():
            writer = self.writers.get(action[1])
            if writer is None:
                continue
            if action[0] == SEND:
                writer.write(frame(action[2]))
            else:
                writer.close()


class Street:
    """Use `open_street`."""

    def __init__(self, town: Town, folder: Path, chance: random.Random) -> None:
        self.town, self.service, self.folder, self.chance = town, town.service, folder, chance
        self.port = free_port()
        self.socket = folder / "radio"
        self.doors: dict[str, DoorOfStreet] = {}
        self.kills = self.changes = 0
        self._handles = 0
        self._began_at = time.monotonic()
        self._began_unix = town.clock.now
        self._served: set[asyncio.Task[None]] = set()
        for number, lock_id in enumerate((*BUTTONS, REMOTE), start=1):
            self.doors[lock_id] = DoorOfStreet(self._hang(lock_id, f"room-{number}"))
        settings = LinkSettings("127.0.0.1", self.port, client_id=f"town-{os.getpid()}")
        self.worker = BrokerWorker(
            self.service, settings, monotonic=time.monotonic, random=chance.random
        )
        self.worker.hub.answer_within_s = RELAY_WITHIN_S
        self._phone = self._issue(REMOTE, tokens.UNLOCK | tokens.UNLOCK_REMOTE)

    def _hang(self, lock_id: str, room_id: str) -> VirtualLock:
        trust, now = trust_file(self.service), self.town.clock()
        identity = Identity(TOWN, lock_id, 1, (trust.roots[0], trust.roots[1]), (now, 1))
        quick = lockconfig.LockConfig(
            lock_id, 1, now, [], lockconfig.DoorConfig(relock_after_ms=500)
        )
        config = self.service.signers.config.sign(lockconfig.encode(quick))
        lock = VirtualLock(identity, trust.keyset, self.town.clock, config_document=config)
        told = EnrolmentFile(
            town=TOWN,
            lock_id=lock_id,
            public_key=lock.public_key,
            signing_key=lock.signing_key,
            journal_epoch=1,
            enrolled_at=now,
        )
        with self.service.database.write() as opened:
            room = opened.get_one(Room, (TOWN, room_id))
            bookings.hang_lock(opened, self.service.signers, told, room, now)
        return lock

    def _issue(self, lock_id: str, permissions: int) -> Credential:
        now = self.town.clock()
        order = TokenOrder(lock_id, now - 60, now + 86_400, permissions, 1)
        raw_token = self.service.signers.issuer.issue(order, now).raw_token
        with self.service.database.read() as opened:
            key = lock_key(opened.get_one(Lock, lock_id))
        return Credential(raw_token, {lock_id: self.service.vault.proof_key(key, raw_token)})

    def set_relock(self, lock_id: str, after_ms: int) -> None:
        """A signed configuration that the gateway is to carry."""
        with self.service.database.write() as opened:
            figures = {"relock_after_ms": after_ms}
            lock_settings.change(
                opened, self.service.signers, lock_id, figures, None, self.town.clock()
            )

    # --- what goes on ---

    async def pass_time(self) -> None:
        """Doors move and clocks run, as fast as outside."""
        done_ms = 0
        while True:
            elapsed = time.monotonic() - self._began_at
            self.town.clock.now = self._began_unix + int(elapsed)
            step = int(elapsed * 1000) - done_ms
            step -= step % 10
            for door in self.doors.values():
                door.lock.advance(step)
                door.deliver()
            done_ms += step
            await asyncio.sleep(SENSE_S)

    async def press_buttons(self) -> None:
        """Somebody leaves as soon as the door is shut again."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))
            for lock_id in BUTTONS:
                door = self.doors[lock_id]
                if door.is_shut and door.asked == door.drawn:
                    door.asked += 1
                    door.lock.press_exit()

    async def change_settings(self) -> None:
        """Staff change a figure: a document that must reach the lock, and count once."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.2, 2))
            after_ms = self.chance.randrange(500, 600)
            await asyncio.to_thread(self.set_relock, self.chance.choice(list(self.doors)), after_ms)
            self.changes += 1

    async def ask_by_phone(self) -> None:
        """A resident who is patient: again, until the door opens."""
        door = self.doors[REMOTE]
        while True:
            await asyncio.sleep(0.1)
            if door.is_shut:
                with contextlib.suppress(Problem):
                    await self._ask_once(door)

    async def _ask_once(self, door: DoorOfStreet) -> None:
        hub, machine = self.worker.hub, HolderSession(
            self._phone, session.COMMAND_UNLOCK, os.urandom
        )  # fmt: skip
        (greeting,) = machine.start()
        number, answer = await hub.open(REMOTE, TICKET, greeting[1])
        events = machine.receive(answer)
        if events[-1][0] == holder.SEND:
            door.asked += 1
            events = machine.receive(await hub.pass_on(number, TICKET, events[-1][1]))
            said = events[-1]
            door.granted += said[0] == holder.OUTCOME and said[1].reason == session.OK
        await hub.close(number, TICKET)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A gateway connects."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def hang_up(self) -> None:
        """No link is left."""
        for task in list(self._served):
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One link to a lock, until somebody hangs up or is killed."""
        with contextlib.suppress(EOFError, OSError), contextlib.closing(writer):
            door = self.doors[(await read_frame(reader)).decode()]
            self._handles += 1
            handle, lock = self._handles, door.lock
            door.writers[handle] = writer
            lock.core.sessions.connected(handle, lock.now_ms)
            lock.core.sessions.mtu_changed(handle, MTU)
            writer.write(frame(b"up"))
            try:
                while True:
                    fragment = await read_frame(reader)
                    lock.core.sessions.received(handle, fragment, lock.now_ms)
                    lock.carry_out()
                    door.deliver()
            finally:
                del door.writers[handle]
                lock.core.sessions.disconnected(handle)

    # --- the gateway ---

    def write_gateway_file(self) -> Path:
        path = self.folder / "gateway.json"
        write_file(path, gateway_file(self.service, "gw-1"), secret=True)
        return path

    def arguments(self) -> list[str]:
        """Of `kannuki gateway run`."""
        offset_s = self._began_unix + time.monotonic() - self._began_at - time.time()
        return [
            *("--gateway-file", str(self.write_gateway_file())),
            *("--broker", f"127.0.0.1:{self.port}"),
            *("--data-dir", str(self.folder / "gateway")),
            *("--sync-interval-s", "1"),  # each visit is a commit in the town, too
            f"--clock-offset-s={offset_s}",
        ]

    # --- what became of it ---

    def heads(self) -> dict[str, int]:
        """How many records each lock has ever made."""
        return {lock_id: door.lock.core.journal.head_seq for lock_id, door in self.doors.items()}

    def missing(self) -> int:
        """Records that the town does not hold."""
        with self.service.database.read() as opened:
            query = select(AuditRecord.lock_id, func.count()).group_by(AuditRecord.lock_id)
            held = {row[0]: row[1] for row in opened.execute(query)}
        return sum(head - held.get(lock_id, 0) for lock_id, head in self.heads().items())

    def unacknowledged(self) -> int:
        """Records that their locks must still keep."""
        journals = [door.lock.core.journal for door in self.doors.values()]
        return sum(journal.head_seq - journal.acked_seq for journal in journals)

    def uncarried(self) -> int:
        """Documents whose arrival the town does not know."""
        with self.service.database.read() as opened:
            rows = opened.query(DocumentOutbox).all()
            return sum(row.acknowledged_version < row.version for row in rows)

    def duplicated(self) -> int:
        """Records that the town holds twice, settings that a lock took twice, contradictions."""
        with self.service.database.read() as opened:
            rows = opened.query(AuditRecord).all()
            alarms = opened.query(Alarm).filter(Alarm.kind.startswith("AUDIT_")).count()
        changes = [(row.lock_id, row.code) for row in rows if row.event == audit.CONFIG]
        again = len(rows) - len({row.raw for row in rows}) + len(changes) - len(set(changes))
        return again + alarms

    def moved(self) -> int:
        """Bolts drawn that nobody asked for."""
        buttons = sum(self.doors[name].drawn - self.doors[name].asked for name in BUTTONS)
        return buttons + max(0, self.doors[REMOTE].drawn - self.doors[REMOTE].asked)


class Lives:
    """The gateway program, started and killed."""

    def __init__(self, street: Street, log: Path, mistake: str) -> None:
        self._street = street
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.gateway.lives", mistake, str(street.socket)]
                + street.arguments(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.pid = 0

    async def start(self) -> None:
        self.pid = int(await self._say("start"))

    async def kill(self) -> None:
        """SIGKILL; fails when it had ended by itself."""
        code = int(await self._say("kill"))
        assert code == -9, f"the gateway ended by itself with {code}"
        self._street.kills += 1

    def resident_bytes(self) -> int:
        """What it holds of this machine's memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(10)
        self._child.stdout.close()

    async def _say(self, word: str) -> str:
        return await asyncio.to_thread(self._say_now, word)

    def _say_now(self, word: str) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{word}\n")
        self._child.stdin.flush()
        return self._child.stdout.readline()


@asynccontextmanager
async def open_street(
    folder: Path, seed: int, mistake: str = "none"
) -> AsyncIterator[tuple[Street, Lives]]:
    """Everything but the gateway runs. `mistake`: one of tests/gateway/lives.py, to be found."""
    with open_town(folder, hung=0) as town, contextlib.ExitStack() as stack:
        street = Street(town, folder, random.Random(seed))
        files = BrokerFiles(folder / "broker", street.port)
        write_config(files)
        broker = subprocess.Popen([str(require_program("mosquitto")), "-c", str(files.config)])
        stack.callback(broker.wait)
        stack.callback(broker.kill)
        server = await asyncio.start_unix_server(street.accept, street.socket)
        lives = Lives(street, folder / "gateway.log", mistake)
        work: list[Callable[[], Awaitable[None]]] = [street.pass_time, street.worker.run]
        async with server, _running(work):
            try:
                yield street, lives
            finally:
                lives.close()
                await street.hang_up()


@asynccontextmanager
async def _running(work: list[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each()) for each in work]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def people(street: Street) -> AsyncIterator[None]:
    """Come and go for as long as this lasts."""
    async with _running([street.press_buttons, street.ask_by_phone, street.change_settings]):
        yield


async def settle(street: Street, within_s: float = SOON_S) -> None:
    """Until everything is where it belongs, or nothing has got there for so long."""
    least, ends_at = sys.maxsize, time.monotonic() + within_s
    while time.monotonic() < ends_at:
        await asyncio.sleep(0.2)
        left = await asyncio.to_thread(street.missing)
        left += street.unacknowledged() + street.uncarried()
        left += sum(not door.is_shut for door in street.doors.values())
        if not left:
            return
        if left < least:
            least, ends_at = left, time.monotonic() + within_s


def figures(street: Street, **more: Any) -> dict[str, Any]:
    """What is said of a run."""
    return {
        "kills": street.kills,
        "lost": street.missing(),
        "duplicated": street.duplicated(),
        "moved": street.moved(),
        "records": sum(street.heads().values()),
        "settings": street.changes,
        "unacknowledged": street.unacknowledged(),
        "uncarried": street.uncarried(),
        "asked": sum(door.asked for door in street.doors.values()),
        "granted": street.doors[REMOTE].granted,
        "events": street.worker.counts["event"],
        **more,
    }
