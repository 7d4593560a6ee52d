"""`python -m simulator.stage`: composes the page's server. Binds 127.0.0.1 only.

Prints one JSON line {"ready": true, "port", "url"} when it serves. Only this file reads a clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from aiohttp import web

from kannuki.errors import KannukiError
from kannuki.supervisor import until_signal
from simulator.stage.neighbours import Neighbour, pool
from simulator.stage.site import Site
from simulator.stage.watch import Neighbours, Watch

HOST = "127.0.0.1"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator.stage")
    for name, what in (
        ("cloud", "the town's service"),
        ("phone", "the phones"),
        ("world", "the simulated world"),
    ):
        parser.add_argument(
            f"--{name}", required=True, metavar="URL", help=f"{what}, http://host:port"
        )
    parser.add_argument("--staff-secret-file", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--status-file",
        type=Path,
        required=True,
        metavar="FILE",
        help="the supervisor's status.json",
    )
    parser.add_argument("--http-port", type=int, default=0, help="0 picks a free one")
    return parser.parse_args(arguments)


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise KannukiError(
            f"cannot read the staff secret: {error}", "check --staff-secret-file", exit_code=2
        ) from error


async def _serve(options: argparse.Namespace) -> None:
    async with pool() as http:
        near = Neighbours(
            Neighbour(http, options.cloud, _secret(options.staff_secret_file)),
            Neighbour(http, options.phone),
            Neighbour(http, options.world),
            options.status_file,
        )
        watch = Watch(near, time.time)
        runner = web.AppRunner(Site(near, watch).app(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, HOST, options.http_port).start()
        tasks = watch.tasks()
        port = runner.addresses[0][1]
        ready = {"ready": True, "port": port, "url": f"http://{HOST}:{port}/"}
        print(json.dumps(ready), flush=True)
        try:
            await _until_over(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await runner.cleanup()


async def _until_over(tasks: list[asyncio.Task[None]]) -> None:
    asked = asyncio.ensure_future(until_signal())
    done, _ = await asyncio.wait({asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()  # looking never ends by itself: this raises what went wrong


def main(arguments: list[str] | None = None) -> int:
    try:
        asyncio.run(_serve(_options(arguments)))
    except KannukiError as error:
        print(error.lines(), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"stage: cannot serve: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
