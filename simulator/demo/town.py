"""Starts the town's programs in order and keeps them running; knows their ports.

Decides which programs there are and how each is started. Every program is a child of its own that
an outsider can kill; what dies is started again (kannuki.supervisor).
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from kannuki.backoff import Backoff
from kannuki.broker import broker_spec
from kannuki.settings import free_port
from kannuki.supervisor import Child, ChildSpec, Supervisor
from simulator.chip_board import chip_command
from simulator.demo.setup import TOWN, TOWN_NAME, Folder
from simulator.radio.dbus import Bus, prepare_bus

GATEWAY_ADDRESS = "F0:00:00:00:00:01"
PHONE_ADDRESS = "F0:00:00:00:00:02"
SYNC_INTERVAL_S = 3
SLOW_RETURN = Backoff(first_s=5.0)  # long enough for a person to see what its absence means
PHONES = ("佐藤さん", "鈴木さん", "高橋さん", "田中さん")


class RunningTown:
    """All programs of one town. `locks`: {room name: lock id}.

    Ports are chosen when it is made and stay the same when a program is started again: its
    neighbours know them.
    """

    def __init__(
        self, supervisor: Supervisor, folder: Folder, locks: dict[str, str], clock_offset_s: int
    ) -> None:
        self.folder = folder
        self.locks = locks
        self.clock_offset_s = clock_offset_s
        self._cloud_options: tuple[str, ...] = ()
        self._with_guests = True
        self._supervisor = supervisor
        self._buses: list[Bus] = []
        names = ("air", "board", "world", "broker", "cloud", "phones", "stage")
        self._ports = {name: free_port() for name in names}

    async def start(self, with_guests: bool = True, cloud_options: tuple[str, ...] = ()) -> None:
        """Start everything; returns when all of it is ready. Raises ChildFailed.

        Guests are the simulated phones and the page around the town: a test that brings its own
        people does without. `cloud_options`: more words for the command of the town's service.
        """
        self._with_guests, self._cloud_options = with_guests, cloud_options
        await asyncio.gather(self._start_world_and_locks(), self._start_broker_and_cloud())
        if not with_guests:
            await self._start_gateway()
            return
        await asyncio.gather(self._start_gateway(), self._start_phones())
        await self._start(self._stage_spec())

    def url(self, name: str) -> str:
        """The address of a program that speaks HTTP: cloud, phones, stage, world."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def site(self, name: str) -> str:
        """The origin of a site of the town's service: book, key, console."""
        return f"http://{name}.localhost:{self._ports['cloud']}"

    async def stop_part(self, name: str) -> None:
        """Switch one program off; it stays off."""
        await self._supervisor.stop_child(name)

    async def start_part(self, name: str) -> None:
        """Switch it on again and wait until it is ready."""
        await self._supervisor.start_child(name)

    def clean_up(self) -> None:
        """Remove what a bus left outside the folder."""
        for bus in self._buses:
            bus.clean_up()

    async def _start_world_and_locks(self) -> None:
        await self._start(self._world_spec())
        await asyncio.gather(*(self._start(self._lock_spec(lock)) for lock in self.locks.values()))

    async def _start_broker_and_cloud(self) -> None:
        await self._supervisor.start(broker_spec(self.folder.broker, self._ports["broker"]))
        await self._start(self._cloud_spec())

    async def _start_gateway(self) -> None:
        bus = await self.start_computer("gateway", GATEWAY_ADDRESS)
        await self._start(self._gateway_spec(bus))

    async def _start_phones(self) -> None:
        bus = await self.start_computer("phones", PHONE_ADDRESS)
        await self._start(self._phone_spec(bus))

    async def start_computer(self, name: str, address: str) -> dict[str, str]:
        """A simulated computer, its bus and its Bluetooth; the environment of its programs."""
        bus = prepare_bus(self.folder.root / f"computer-{name}")
        self._buses.append(bus)
        await self._start(
            ChildSpec(
                f"bus-{name}",
                bus.argv,
                self._log(f"bus-{name}"),
                ready=_socket_is_there(bus.socket),
            )
        )
        air = f"127.0.0.1:{self._ports['air']}"
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        await self._start(
            self._python(
                f"bluetooth-{name}",
                "simulator.radio.bluez",
                "--hci",
                air,
                "--address",
                address,
                env=environment,
            )
        )
        return environment

    async def _start(self, spec: ChildSpec) -> Child:
        return await self._supervisor.start(spec)

    # --- programs ---

    def _world_spec(self) -> ChildSpec:
        doors = [part for lock in self.locks.values() for part in ("--door", lock)]
        ports = self._ports
        return self._python(
            "world",
            "simulator.world",
            "--air-port",
            str(ports["air"]),
            "--board-port",
            str(ports["board"]),
            "--control-port",
            str(ports["world"]),
            "--clock-offset-s",
            str(self.clock_offset_s),
            "--btsnoop",
            str(self.folder.capture),
            *doors,
            port=ports["world"],
        )

    def _lock_spec(self, lock_id: str) -> ChildSpec:
        board = {
            "KANNUKI_BOARD": f"127.0.0.1:{self._ports['board']}",
            "KANNUKI_BOARD_NAME": lock_id,
        }
        argv = chip_command(self.folder.image(lock_id).resolve())
        return ChildSpec(f"lock-{lock_id}", argv, self._log(f"lock-{lock_id}"), env=board)

    def _cloud_spec(self) -> ChildSpec:
        folder = self.folder
        return self._kannuki(
            "cloud",
            "cloud",
            "serve",
            "--database",
            str(folder.database),
            "--keys-dir",
            str(folder.keys),
            "--town",
            TOWN,
            "--town-name",
            TOWN_NAME,
            "--broker",
            self._broker(),
            "--http-port",
            str(self._ports["cloud"]),
            "--key-page-url",
            self.site("key"),
            "--book-url",
            self.site("book"),
            "--console-url",
            self.site("console"),
            "--staff-secret-file",
            str(folder.staff_secret),
            "--clock-offset-s",
            str(self.clock_offset_s),
            "--limits",
            "100",  # everybody here comes from this one machine
            *self._cloud_options,
            port=self._ports["cloud"],
        )

    def _gateway_spec(self, bus: dict[str, str]) -> ChildSpec:
        return self._kannuki(
            "gateway",
            "gateway",
            "run",
            "--gateway-file",
            str(self.folder.gateway_file),
            "--broker",
            self._broker(),
            "--data-dir",
            str(self.folder.gateway_data),
            "--sync-interval-s",
            str(SYNC_INTERVAL_S),
            "--ready",
            "--clock-offset-s",
            str(self.clock_offset_s),
            env=bus,
        )

    def _phone_spec(self, bus: dict[str, str]) -> ChildSpec:
        names = [part for name in PHONES for part in ("--name", name)]
        return self._python(
            "phones",
            "simulator.phone.app",
            "--cloud",
            self.url("cloud"),
            "--folder",
            str(self.folder.phones),
            "--http-port",
            str(self._ports["phones"]),
            "--clock-offset-s",
            str(self.clock_offset_s),
            *names,
            env=bus,
            port=self._ports["phones"],
        )

    def _stage_spec(self) -> ChildSpec:
        return self._python(
            "stage",
            "simulator.stage",
            "--cloud",
            self.url("cloud"),
            "--staff-secret-file",
            str(self.folder.staff_secret),
            "--phone",
            self.url("phones"),
            "--world",
            self.url("world"),
            "--status-file",
            str(self.folder.root / "status.json"),
            "--http-port",
            str(self._ports["stage"]),
            port=self._ports["stage"],
        )

    # --- forms ---

    def _python(
        self,
        name: str,
        module: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        port: int | None = None,
    ) -> ChildSpec:
        argv = (sys.executable, "-m", module, *arguments)
        return ChildSpec(name, argv, self._log(name), env=env or {}, port=port)

    def _kannuki(
        self, name: str, *arguments: str, env: dict[str, str] | None = None, port: int | None = None
    ) -> ChildSpec:
        spec = self._python(name, "kannuki", *arguments, env=env, port=port)
        return replace(spec, restart=SLOW_RETURN)

    def _broker(self) -> str:
        return f"127.0.0.1:{self._ports['broker']}"

    def _log(self, name: str) -> Path:
        return self.folder.logs / f"{name}.log"


def _socket_is_there(socket: Path):
    async def probe() -> bool:
        return socket.exists()

    return probe
