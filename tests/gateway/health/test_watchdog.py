"""The service manager hears that the gateway is ready and alive, and nothing once it hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.health import notify
from gateway.health.notify import Notifier, Watchdog
from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A
from tests.gateway.health.town import BOUND_S, make_app, running, until

PERIOD_S = 0.4


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(BOUND_S)
        self.heard: list[str] = []

    def hear(self) -> str:
        """The next datagram."""
        self.heard.append(self._socket.recv(4096).decode())
        return self.heard[-1]

    def hear_all(self, for_s: float = 0.0) -> list[str]:
        """Those that are there, or come in a while."""
        found = []
        self._socket.settimeout(for_s or 0.001)
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except TimeoutError:
            self._socket.settimeout(BOUND_S)
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def test_datagrams_are_lines_of_names_and_values_on_one_line_each(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.tell(READY="1", STATUS="two\nlines\0 and" + 500 * "x")
    ready, status = manager.hear().split("\n")
    assert ready == "READY=1"
    assert status.startswith("STATUS=two lines") and len(status) < 250
    notifier.close()


def test_an_abstract_socket_is_found() -> None:
    manager = Manager(f"@kannuki-test-{free_port()}")
    notifier = Notifier(manager.address)
    notifier.tell(READY="1")
    assert manager.hear() == "READY=1"
    notifier.close()
    manager.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_a_socket_that_is_none_of_ours_is_left_alone(address: str) -> None:
    notifier = Notifier(address)
    notifier.tell(READY="1")
    notifier.close()


def test_a_manager_that_is_gone_or_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notifier = Notifier(manager.address)
    for _ in range(2000):  # more than a socket's buffer takes
        notifier.tell(WATCHDOG="1")
    manager.close()
    notifier.tell(WATCHDOG="1")
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "period_s"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "42"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "43"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
    ],
)
def test_the_period_is_for_the_process_that_it_names(
    environ: dict[str, str], period_s: float
) -> None:
    assert notify.watchdog_period_s(environ, 42) == period_s


def test_it_is_fed_four_times_a_period_and_never_where_nobody_watches(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    watchdog = Watchdog(notifier, 60.0)
    assert watchdog.every_s == 15.0
    for at in range(0, 60, 1):
        watchdog.machine_rests(float(at))
    Watchdog(notifier, 0.0).machine_rests(100.0)
    assert manager.hear_all() == ["WATCHDOG=1"] * 4
    notifier.close()


async def test_ready_comes_without_a_broker_then_food_then_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    notifier = Notifier(manager.address)
    app = make_app(tmp_path, monkeypatch, [LOCK_A], free_port(), None, notifier, PERIOD_S)
    async with running(app):
        first = await asyncio.to_thread(manager.hear)
        while "WATCHDOG=1" not in manager.heard or not any("STATUS=" in h for h in manager.heard):
            await asyncio.to_thread(manager.hear)
    notifier.close()
    last = manager.hear_all()
    assert "READY=1" in [first, *manager.heard]
    assert manager.heard.index("READY=1") < manager.heard.index("WATCHDOG=1")
    assert any("no broker" in each and "of 1 locks reached" in each for each in manager.heard)
    assert last[-1].startswith("STOPPING=1")


async def test_a_machine_whose_timer_does_not_move_is_not_fed_though_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    notifier = Notifier(manager.address)
    app = make_app(tmp_path, monkeypatch, [LOCK_A], free_port(), None, notifier, PERIOD_S)
    async with running(app):
        while await asyncio.to_thread(manager.hear) != "WATCHDOG=1":
            pass
        ticks = 0

        def tick(_now: object) -> None:
            nonlocal ticks
            ticks += 1

        monkeypatch.setattr(app._machine, "tick", tick)
        monkeypatch.setattr(app._machine, "next_timeout", lambda: 0.0)
        app._inputs.put_nowait(lambda _now: None)  # it rested: let it turn
        await until(lambda: ticks > 100)
        manager.hear_all()
        turned = ticks
        notifier.tell(STATUS="the loop turns")
        assert await asyncio.to_thread(manager.hear_all, 3 * PERIOD_S) == ["STATUS=the loop turns"]
        assert ticks > turned
    notifier.close()


def test_a_machine_that_blocks_is_not_fed_and_is_again_once_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    notifier = Notifier(manager.address)
    is_stuck, may_go_on, may_end = threading.Event(), threading.Event(), threading.Event()

    def hang(_now: object) -> None:
        is_stuck.set()
        may_go_on.wait(BOUND_S)

    async def live() -> None:
        app = make_app(tmp_path, monkeypatch, [LOCK_A], free_port(), None, notifier, PERIOD_S)
        async with running(app):
            await until(lambda: "WATCHDOG=1" in manager.heard)
            app._inputs.put_nowait(hang)
            await until(may_end.is_set)

    gateway = threading.Thread(target=lambda: asyncio.run(live()))
    gateway.start()
    while manager.hear() != "WATCHDOG=1":
        pass
    assert is_stuck.wait(BOUND_S)
    manager.hear_all()
    assert manager.hear_all(3 * PERIOD_S) == []
    may_go_on.set()
    while manager.hear() != "WATCHDOG=1":
        pass
    may_end.set()
    gateway.join(BOUND_S)
    assert not gateway.is_alive()
    notifier.close()


async def test_a_stop_that_comes_together_with_an_input_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attempt in range(20):
        (folder := tmp_path / str(attempt)).mkdir()
        app = make_app(folder, monkeypatch, [LOCK_A], free_port())
        async with running(app):
            await until(lambda app=app: app._inputs.empty())
            for turns in range(attempt):
                app._inputs.put_nowait(lambda _now: None)
                if turns % 3 == 0:
                    await asyncio.sleep(0)
