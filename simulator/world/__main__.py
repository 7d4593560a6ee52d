"""`python -m simulator.world`: composes air, boards, doors, time and the control interface.

Prints one JSON line with the ports when ready. Only this file reads a clock of the PC.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from bumble.snoop import Snooper

from simulator.radio.air import Air
from simulator.radio.board import BOARD_NAME, Boards
from simulator.radio.capture import Capture, Tee
from simulator.world.clock import WorldClock
from simulator.world.control import ACTIONS, Control
from simulator.world.rig import Town

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
STEP_S = 0.01
LONGEST_STEP_MS = 20.0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    hands = f"control port: POST /doors/NAME/ACTION with ACTION one of {', '.join(ACTIONS)}"
    parser = argparse.ArgumentParser(prog="python -m simulator.world", epilog=hands)
    for port in ("air", "board", "control"):
        parser.add_argument(f"--{port}-port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--clock-offset-s",
        type=float,
        default=0.0,
        metavar="N",
        help="the world's time is the PC's plus N seconds",
    )
    parser.add_argument(
        "--btsnoop",
        type=Path,
        metavar="FILE",
        help="write HCI traffic of all boards here, and per board beside it",
    )
    parser.add_argument(
        "--door",
        action="append",
        default=[],
        metavar="NAME",
        help="hang this door before its chip appears",
    )
    parser.add_argument("--ready-file", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    for name in options.door:
        if not BOARD_NAME.fullmatch(name):
            parser.error(f"--door {name}: use up to 32 letters, digits, dots, - and _")
    return options


def _snoopers(file: Path | None, now_s: Callable[[], float]) -> Callable[[str], Snooper | None]:
    if file is None:
        return lambda board: None
    everything = Capture(file, now_s)

    @cache
    def snooper_of(board: str) -> Snooper:
        own = Capture(file.with_name(f"{file.stem}.{board}{file.suffix}"), now_s)
        return Tee([everything, own])

    return snooper_of


async def _let_time_pass(town: Town, boards: Boards) -> None:
    before = time.monotonic()
    while True:
        await asyncio.sleep(STEP_S)
        now = time.monotonic()
        left_ms, before = (now - before) * 1000, now
        while left_ms > 0:
            town.step(min(left_ms, LONGEST_STEP_MS))
            left_ms -= LONGEST_STEP_MS
        boards.push_inputs()


async def _listen(serve: Callable, port: int) -> asyncio.Server:
    return await asyncio.start_server(serve, HOST, port)


async def _serve_control(control: Control, port: int) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(control.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    await site.start()
    return runner, runner.addresses[0][1]


def _announce(ports: dict[str, int], ready_file: Path | None) -> None:
    line = json.dumps({"ready": True, "part": "world", "pid": os.getpid(), **ports})
    if ready_file is not None:
        beside = ready_file.with_suffix(".new")
        beside.write_text(line + "\n", encoding="utf-8")
        beside.replace(ready_file)
    print(line, flush=True)


def _port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def run(options: argparse.Namespace) -> int:
    """Serve until asked to stop: 0 by SIGTERM, 130 by SIGINT. Raises OSError on a taken port."""
    clock = WorldClock(time.time, options.clock_offset_s)
    air, town = Air(), Town(clock.unix_s)
    boards = Boards(air, clock, town.rig_of, _snoopers(options.btsnoop, clock.unix_s))
    for name in options.door:
        town.rig_of(name)
    air_server = await _listen(air.serve_client, options.air_port)
    board_server = await _listen(boards.serve_client, options.board_port)
    control = Control(town, boards, air, clock)
    runner, control_port = await _serve_control(control, options.control_port)
    ports = {"air_port": _port_of(air_server), "board_port": _port_of(board_server)}
    asked = _exit_code_when_asked()
    _announce({**ports, "control_port": control_port}, options.ready_file)
    try:
        return await _first_of(asked, asyncio.create_task(_let_time_pass(town, boards)))
    finally:
        air_server.close()
        board_server.close()
        await runner.cleanup()


def _exit_code_when_asked() -> asyncio.Future[int]:
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[int] = loop.create_future()

    def ask(code: int) -> None:
        if not asked.done():
            asked.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, ask, 0)
    loop.add_signal_handler(signal.SIGINT, ask, 130)
    return asked


async def _first_of(asked: asyncio.Future[int], physics: asyncio.Task[None]) -> int:
    """Physics never ends by itself: if it does, this raises what went wrong there."""
    ends: set[asyncio.Future[Any]] = {asked, physics}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if physics.done():
        physics.result()
    physics.cancel()
    return asked.result()


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    logging.getLogger("bumble").setLevel(logging.ERROR)
    try:
        return asyncio.run(run(options))
    except OSError as error:
        log.error("world: cannot start: %s", error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
