"""A bad day in a virtual town: links break, gateways and cloud go away, the broker repeats itself.

Decides what goes wrong and when, from a seed, while people and the cloud carry on; then it is calm
until everything is home. Judges nothing: `Aftermath` has what a test needs. Two gateways: each has
a lock of its own, and one lock is kept by both, so that records come home twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.machine import Settings
from kannuki.errors import KannukiError
from protocol import session
from protocol import token as tokens
from protocol.holder import Credential
from simulator.phone.opening import Surroundings, Transport, attempt
from simulator.scenarios.home import Home
from simulator.scenarios.orders import Orders
from simulator.town_keys import RESIDENT, TOWN, TownKeys
from simulator.virtual.clock import STEP_MS
from simulator.virtual.gateway import VirtualGateway
from simulator.virtual.phone import VirtualRadioError, run_now
from simulator.virtual.town import VirtualTown

OWN_LOCKS = {"gw-1": "aaaaaaaa", "gw-2": "bbbbbbbb"}
SHARED_LOCK = "cccccccc"
LOCK_IDS = (*OWN_LOCKS.values(), SHARED_LOCK)
T0 = 1_796_115_600
DEEDS = 12
CALM_WITHIN_MS = 300_000
_DAY_S = 86400

# How often each thing goes wrong, per second of virtual time.
KILLED, BROKER_LOST, CLOUD_AWAY = 0.1, 0.1, 0.2
DUPLICATED = 0.3  # of all deliveries
LINK_BREAKS = 0.05  # of all fragments


@dataclass
class Aftermath:
    """`journals`: what each lock wrote; `granted`: (lock, cti) whose holder was told: opened."""

    home: Home
    journals: dict[str, list[bytes]] = field(default_factory=dict)
    granted: list[tuple[str, bytes]] = field(default_factory=list)
    carried: dict[str, int] = field(default_factory=dict)  # status version answered as held
    held: dict[str, int] = field(default_factory=dict)  # status version that the lock has
    went_wrong: Counter[str] = field(default_factory=Counter)
    is_calm: bool = False


class Storm:
    """One bad day; `folder` keeps the gateways' stores."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._random = random.Random(seed)
        self._blows = True
        self._keys = TownKeys()
        self._town = VirtualTown(
            self._keys.trust(),
            T0,
            folder,
            self._random.randbytes,
            self._duplicates,
            self._breaks,
        )
        self._hang_locks()
        home = Home(TOWN, self._kdks(), lambda *said: self._cloud.publish(*said), self._tell_time)
        self._after = Aftermath(home)
        self._join_cloud()
        self._orders = Orders(home, self._until, self._town.wall_s)
        self._around = Surroundings(
            lambda: self._town.time.ms / 1000, self._sleep, self._random.randbytes
        )
        self._town.time.at_every_step(self._blow)

    def run(self) -> Aftermath:
        """The whole day."""
        run_now(self._carry_on())
        self._calm_down()
        after = self._after
        for lock_id, lock in self._town.locks.items():
            after.journals[lock_id] = self._journal(lock_id)
            after.held[lock_id] = lock.core.trust.status.version
        self._town.close()
        return after

    # --- the town ---

    def _hang_locks(self) -> None:
        for lock_id in LOCK_IDS:
            self._town.hang_lock(lock_id)
        settings = Settings(
            sync_interval_s=2.0,
            first_retry_s=0.5,
            max_retry_s=4.0,
            resend_after_s=5.0,
            max_records=4,
        )
        for gateway_id, own in OWN_LOCKS.items():
            kept = {
                lock_id: self._credential(lock_id, tokens.MAINTAIN)
                for lock_id in (own, SHARED_LOCK)
            }
            self._town.start_gateway(gateway_id, kept, settings)

    def _kdks(self) -> dict[str, bytes]:
        return {each: self._keys.kdk(self._town.enrolment(each)) for each in LOCK_IDS}

    def _tell_time(self, lock_id: str, nonce: bytes) -> tuple[bytes, int]:
        now = self._town.wall_unix_s()
        return self._keys.time_answer(lock_id, nonce, now), now + 10

    def _credential(self, lock_id: str, permissions: int = RESIDENT) -> Credential:
        enrolment, cti = self._town.enrolment(lock_id), self._random.randbytes(tokens.CTI_BYTES)
        return self._keys.credential(enrolment, T0 - _DAY_S, T0 + _DAY_S, permissions, cti)

    def _journal(self, lock_id: str) -> list[bytes]:
        journal = self._town.locks[lock_id].core.journal
        return journal.read(1, journal.head_seq)

    def _join_cloud(self) -> None:
        home = self._after.home
        self._cloud = self._town.broker.join(home.wants, home.hear)

    # --- what people and the cloud do ---

    async def _carry_on(self) -> None:
        for number in range(1, DEEDS + 1):
            deed = self._random.choice(
                (
                    self._go_near,
                    self._go_near,
                    self._relay,
                    self._relay,
                    self._withdraw,
                    self._cut_power,
                )
            )
            try:
                await deed(number)
            except (KannukiError, VirtualRadioError) as error:
                self._after.went_wrong[type(error).__name__] += 1
            self._town.time.advance(self._random.randrange(0, 4000))

    async def _go_near(self, _number: int) -> None:
        lock_id = self._random.choice(LOCK_IDS)
        async with self._town.link(lock_id) as link:
            await self._present(link, lock_id, session.COMMAND_UNLOCK)

    async def _relay(self, _number: int) -> None:
        lock_id = self._random.choice(tuple(OWN_LOCKS.values()))
        async with self._orders.relay(lock_id) as link:
            await self._present(link, lock_id, session.COMMAND_UNLOCK_REMOTE)

    async def _present(self, link: Transport, lock_id: str, command: int) -> None:
        credential = self._credential(lock_id)
        result = await attempt(link, credential, command, confirm=False, around=self._around)
        if result.granted:
            self._after.granted.append((lock_id, credential.token.cti))

    async def _withdraw(self, number: int) -> None:
        lock_id = self._random.choice(LOCK_IDS)
        document, entries = self._keys.status_list(lock_id, number, T0, [])
        await self._orders.put_status_list(lock_id, document, entries, number)
        self._after.carried[lock_id] = number

    async def _cut_power(self, _number: int) -> None:
        self._after.went_wrong["power cut"] += 1
        lock_id, for_ms = self._random.choice(LOCK_IDS), self._random.randrange(10, 2000)
        self._town.cut_power(lock_id, for_ms)

    async def _until(self, condition: Callable[[], object], within_s: float) -> bool:
        return self._town.time.until(condition, int(within_s * 1000))

    async def _sleep(self, seconds: float) -> None:
        self._town.time.advance(int(seconds * 1000))

    # --- what goes wrong ---

    def _blow(self) -> None:
        if not self._blows:
            return
        if self._cloud.is_connected and self._happens(CLOUD_AWAY):
            self._after.went_wrong["cloud away"] += 1
            self._cloud.leave()
            self._town.time.after(self._random.randrange(100, 3000), self._join_cloud)
        for gateway in self._town.gateways.values():
            if gateway.machine is not None and self._happens(KILLED):
                self._kill(gateway)
            elif gateway.machine is not None and self._happens(BROKER_LOST):
                self._cut_off(gateway)

    def _kill(self, gateway: VirtualGateway) -> None:
        self._after.went_wrong["gateway killed"] += 1
        gateway.kill()
        self._town.time.after(self._random.randrange(100, 3000), gateway.start)

    def _cut_off(self, gateway: VirtualGateway) -> None:
        self._after.went_wrong["broker lost"] += 1
        gateway.lose_broker()
        self._town.time.after(self._random.randrange(100, 3000), gateway.join_broker)

    def _happens(self, per_second: float) -> bool:
        return self._random.random() < per_second * STEP_MS / 1000

    def _duplicates(self) -> bool:
        is_double = self._blows and self._random.random() < DUPLICATED
        self._after.went_wrong["duplicate"] += is_double
        return is_double

    def _breaks(self) -> bool:
        is_broken = self._blows and self._random.random() < LINK_BREAKS
        self._after.went_wrong["link lost"] += is_broken
        return is_broken

    # --- and then ---

    def _calm_down(self) -> None:
        self._blows = False
        self._after.is_calm = self._town.time.until(self._is_all_home, CALM_WITHIN_MS)

    def _is_all_home(self) -> bool:
        home, gateways = self._after.home, self._town.gateways.values()
        if any(gateway.machine is None or gateway.waiting_events() for gateway in gateways):
            return False
        heads = {lock_id: lock.core.journal.head_seq for lock_id, lock in self._town.locks.items()}
        return all(len(home.of(lock_id)) == head for lock_id, head in heads.items())
