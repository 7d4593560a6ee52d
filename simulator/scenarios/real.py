"""The real depth: the lock's firmware under MicroPython, `kannuki gateway run`, Mosquitto, BlueZ.

Decides nothing of the scenario. This process plays two parts alone: the cloud's side over MQTT, and
the phone's through unmodified bleak on a simulated computer of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType

from kannuki import messages
from kannuki.broker import broker_spec
from kannuki.enrolment import GatewayFile, LockCredential, write_file
from kannuki.mqtt import LinkSettings, MqttLink
from kannuki.settings import free_port
from kannuki.supervisor import Supervisor
from protocol import token as tokens
from simulator.lock_stand import LockStand, on_computer
from simulator.phone.ble import LockLink, RadioError
from simulator.phone.opening import REAL
from simulator.scenarios.depth import GATEWAY, WALK_MS, Depth, DepthError
from simulator.town_keys import TOWN

PHONE_ADDRESS = "F0:00:00:00:00:01"
GATEWAY_ADDRESS = "F0:00:00:00:00:02"
_DAY_S = 86400
_POLL_S = 0.02


class RealDepth(Depth):
    """One lock, one gateway; `folder` keeps image, stores and logs."""

    name = "real"
    around = REAL

    def __init__(self, lock_id: str, unix_s: int, folder: Path) -> None:
        super().__init__()
        self._lock_id = lock_id
        self._began_at = unix_s
        self._offset_s = 0
        self._folder = folder
        self._life = AsyncExitStack()
        self._unsaid: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        supervisor = Supervisor("scenario", folder, folder / "registry")
        self._stand = LockStand(supervisor, folder, lock_id)

    async def __aenter__(self) -> RealDepth:
        async with AsyncExitStack() as life:
            life.callback(self._stand.clean_up)
            await life.enter_async_context(self._stand.supervisor)
            self._trust(self._stand.enrol(self.keys.trust(), self._began_at), self._say)
            await self._stand.start_world()
            self._offset_s = self._began_at - int(time.time())  # the evening begins only now
            await self._stand.post("/clock", {"offset_s": self._offset_s})
            await self._stand.start_lock()
            port = await self._start_broker()
            await self._join_broker(life, port)
            await self._start_gateway(port)
            phone = await self._stand.start_computer("phone", PHONE_ADDRESS)
            life.enter_context(on_computer(phone))
            await self.need(self._knows_time, "the lock's record of the town's time")
            self._life = life.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._life.aclose()

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        ends_at = time.monotonic() + within_s
        while not condition():
            if time.monotonic() >= ends_at:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    @asynccontextmanager
    async def near(self) -> AsyncIterator[LockLink]:
        try:
            async with LockLink(self._lock_id) as link:
                yield link
        except RadioError as error:
            raise DepthError(f"the phone's radio: {error}") from error

    def wall_s(self) -> float:
        return time.time() + self._offset_s

    async def walk_through(self) -> None:
        if await self._stand.hand("open", for_ms=WALK_MS) != ["opened"]:
            raise DepthError("the door did not give way")

    async def press_exit(self) -> None:
        await self._stand.hand("rex")

    async def cut_power(self) -> None:
        await self._stand.cut_power()

    # --- parts ---

    async def _start_broker(self) -> int:
        port = free_port()
        await self._stand.supervisor.start(broker_spec(self._folder / "broker", port))
        return port

    async def _join_broker(self, life: AsyncExitStack, port: int) -> None:
        link = MqttLink(
            LinkSettings("127.0.0.1", port, "kannuki-scenario-cloud"), random=random.random
        )
        for channel in ("state", "event", "response", "request"):
            await link.subscribe(messages.topic(TOWN, "+", channel))
        await life.enter_async_context(link)
        for work in (self._listen(link), self._speak(link)):
            task = asyncio.create_task(work)
            life.push_async_callback(_end, task)
        await link.connected()

    async def _start_gateway(self, port: int) -> None:
        keeper = self.keys.credential(
            self.enrolment, self._began_at - _DAY_S, self._began_at + _DAY_S, tokens.MAINTAIN
        )
        entry = LockCredential(
            lock_id=self._lock_id,
            token=keeper.raw_token,
            proof_key=keeper.proof_keys[self._lock_id],
        )
        file = self._folder / "gateway.json"
        content = GatewayFile(town=TOWN, gateway_id=GATEWAY, locks=[entry])
        write_file(file, content, secret=True)
        computer = await self._stand.start_computer("gateway", GATEWAY_ADDRESS)
        await self._stand.start_module(
            "gateway",
            "kannuki",
            "gateway",
            "run",
            "--gateway-file",
            str(file),
            "--broker",
            f"127.0.0.1:{port}",
            "--data-dir",
            str(self._folder / "gateway"),
            "--sync-interval-s",
            "1",
            "--clock-offset-s",
            str(self._offset_s),
            "--ready",
            env=computer,
        )

    # --- the cloud's side ---

    def _say(self, topic: str, payload: bytes) -> None:
        self._unsaid.put_nowait((topic, payload))

    async def _speak(self, link: MqttLink) -> None:
        while True:
            await link.publish(*await self._unsaid.get())

    async def _listen(self, link: MqttLink) -> None:
        async for received in link.messages():
            self.home.hear(received.topic, received.payload)


async def _end(task: asyncio.Task[None]) -> None:
    """Ends a task; a fault that ended it before comes out here."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
