"""`python -m simulator.phone.app`: a drawer of simulated phones behind a small HTTP interface.

    GET  /state                     every phone and its keys (no secrets)
    POST /phones/{name}/claim       {"key_link"}
    POST /phones/{name}/unlock      {"key", "door"?, "path": "offline"|"relay", "command"?}

The phones share one radio and do not know each other's keys. Binds 127.0.0.1 only. A refusal is an
answer (200 with its texts); what the caller did wrong is 4xx with texts as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from kannuki import texts
from kannuki.supervisor import until_signal
from protocol import session
from simulator.phone import carrying
from simulator.phone.ble import LockLink
from simulator.phone.opening import Conversation, Result, TransportError, attempt
from simulator.phone.service import RelayLink, Service, ServiceError, TownForLock
from simulator.phone.wallet import Key, Wallet

LABEL = "simulated phone"
NAME = re.compile(r"[\w.-]{1,32}")
ERRANDS_WITHIN_S = 5.0
_JST_OFFSET_S = 9 * 3600


@dataclass
class Drawer:
    """All phones of one process: {name: Wallet}, kept in `folder`."""

    folder: Path
    service: Service
    clock_offset_s: float

    def __post_init__(self) -> None:
        self.wallets: dict[str, Wallet] = {}
        self.one_radio = asyncio.Lock()
        self._visits: set[asyncio.Task[None]] = set()
        for file in sorted(self.folder.glob("*.json")):
            self.wallets[file.stem] = Wallet(file)

    def wallet(self, name: str) -> Wallet:
        """The phone of this person, made when it is new."""
        if not NAME.fullmatch(name):
            raise web.HTTPNotFound()
        if name not in self.wallets:
            self.wallets[name] = Wallet(self.folder / f"{name}.json")
        return self.wallets[name]

    async def unlock(self, key: Key, door: str | None, path: str, command: str) -> dict[str, Any]:
        """Hold the phone with `key` to `door` (default: its own) or ask by relay."""
        started = time.perf_counter()
        try:
            result = await self._attempt(key, door or key.lock_id, path, command)
        except TransportError as error:
            result = Result(error.code, False)
        total_ms = (time.perf_counter() - started) * 1000
        return self._told(result, key, path, total_ms)

    async def _attempt(self, key: Key, door: str, path: str, command: str) -> Result:
        number = _COMMANDS[command, path]
        if path == "relay":
            async with RelayLink(self.service, key) as relay:
                return await attempt(relay, key.credential(), number, confirm=False)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        visit = asyncio.create_task(self._visit(key, door, number, answer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        return await answer

    async def _visit(
        self, key: Key, door: str, number: int, answer: asyncio.Future[Result]
    ) -> None:
        """At the door: the person is told as soon as it has opened, then the phone carries."""
        town = TownForLock(self.service, key)
        try:
            async with self.one_radio, LockLink(door) as link:
                conversation = Conversation(link, key.credential())
                result = await carrying.present(conversation, number, town)
                answer.set_result(await conversation.confirmed(result))
                if result.granted:
                    async with asyncio.timeout(ERRANDS_WITHIN_S):
                        await carrying.run_errands(conversation, result, town)
        except TransportError as error:
            if not answer.done():
                answer.set_exception(error)
        except TimeoutError:
            return  # a slow town: the next visit carries it
        finally:
            answer.cancel()

    async def close(self) -> None:
        """End visits that still carry."""
        for visit in self._visits:
            visit.cancel()
        if self._visits:
            await asyncio.wait(set(self._visits))

    def _told(self, result: Result, key: Key, path: str, total_ms: float) -> dict[str, Any]:
        now = int(time.time() + self.clock_offset_s)
        left = None if result.opens_at is None else result.opens_at - now
        at = None if result.opens_at is None else _local_time(result.opens_at)
        said = {
            lang: texts.refusal(result.code, lang, seconds_left=left, opens_at=at, room=key.room)
            for lang in texts.LANGUAGES
        }
        return {
            "code": result.code,
            "granted": result.granted,
            "authentic": result.authentic,
            "path": path,
            "ms": round(result.ms, 1),
            "total_ms": round(total_ms, 1),
            "texts": said,
            "opens_at": result.opens_at,
            "door": result.door,
            "key": key.id,
            "head_seq": result.head[0] if result.head else None,
            "head_hash": result.head[1].hex() if result.head else None,
        }


_COMMANDS = {
    ("unlock", "offline"): session.COMMAND_UNLOCK,
    ("unlock", "relay"): session.COMMAND_UNLOCK_REMOTE,
    ("lock", "offline"): session.COMMAND_LOCK,
    ("lock", "relay"): session.COMMAND_LOCK,
}


def _local_time(unix_s: int) -> str:
    local = time.gmtime(unix_s + _JST_OFFSET_S)
    return f"{local.tm_mon}/{local.tm_mday} {local.tm_hour:02d}:{local.tm_min:02d}"


def _problem(status: int, code: str) -> web.Response:
    said = {lang: texts.refusal(code, lang) for lang in texts.LANGUAGES}
    return web.json_response({"code": code, **said}, status=status)


def application(drawer: Drawer) -> web.Application:
    """The HTTP interface over one drawer."""

    async def state(_request: web.Request) -> web.Response:
        phones = [
            {"name": name, "keys": [key.public() for key in wallet.keys.values()]}
            for name, wallet in drawer.wallets.items()
        ]
        return web.json_response({"label": LABEL, "phones": phones})

    async def claim(request: web.Request) -> web.Response:
        body = await _json(request)
        link = body.get("key_link")
        if not isinstance(link, str) or "#" not in link:
            return _problem(422, "BAD_LINK")
        wallet = drawer.wallet(request.match_info["name"])
        try:
            keys = await drawer.service.claim(wallet, link)
        except ServiceError as error:
            told = error.body if "en" in error.body else None
            return web.json_response(told, status=409) if told else _problem(503, error.code)
        return web.json_response({"keys": [key.public() for key in keys]})

    async def unlock(request: web.Request) -> web.Response:
        body = await _json(request)
        wallet = drawer.wallet(request.match_info["name"])
        key = wallet.keys.get(str(body.get("key")))
        command, path = body.get("command", "unlock"), body.get("path", "offline")
        door = body.get("door")
        if key is None or (command, path) not in _COMMANDS:
            return _problem(422, "NO_KEY" if key is None else "BAD_REQUEST")
        if door is not None and not isinstance(door, str):
            return _problem(422, "BAD_REQUEST")
        return web.json_response(await drawer.unlock(key, door, path, command))

    app = web.Application(client_max_size=8192)
    app.router.add_get("/state", state)
    app.router.add_post("/phones/{name}/claim", claim)
    app.router.add_post("/phones/{name}/unlock", unlock)
    return app


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text='{"code": "BAD_REQUEST"}', content_type="application/json")
    return body


async def _serve(options: argparse.Namespace) -> None:
    drawer = Drawer(options.folder, Service(options.cloud), options.clock_offset_s)
    for name in options.name:
        drawer.wallet(name)
    runner = web.AppRunner(application(drawer), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.http_port).start()
    print(json.dumps({"ready": True, "port": runner.addresses[0][1]}), flush=True)
    try:
        await until_signal()
    finally:
        await drawer.close()
        await runner.cleanup()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m simulator.phone.app", description=__doc__)
    parser.add_argument("--cloud", required=True, help="the town's service, http://host:port")
    parser.add_argument("--folder", type=Path, required=True, help="where the phones keep keys")
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    parser.add_argument("--http-port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--name", action="append", default=[], help="a phone to have from the start"
    )
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
