"""The stage's server: what it lets in, what it says when neighbours are away, whom it may kill."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from simulator.stage import parts, view
from simulator.stage.neighbours import Neighbour, pool
from simulator.stage.site import WEB, Site
from simulator.stage.watch import Neighbours, Watch
from tests.simulator.stage_fakes import STAFF, Fakes, application, town_now

BOUND_S = 20
LANGUAGES = ("ja", "ja-simple", "en")
BOOKING = {"room_id": "room-lock-aa1", "holder_name": "佐藤"}


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@dataclass
class Stage:
    url: str
    http: aiohttp.ClientSession
    fakes: Fakes
    status_file: Path

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.http.post(self.url + path, json=body or {}, headers=headers) as answer:
            return answer.status, await answer.json()

    async def picture_when(self, condition: Any) -> dict[str, Any]:
        """Reads the live stream until the picture is as wanted."""
        async with asyncio.timeout(BOUND_S), self.http.get(f"{self.url}/api/events") as stream:
            async for line in stream.content:
                if line.startswith(b"data:") and condition(picture := json.loads(line[5:])):
                    return picture
        raise AssertionError("the stream ended")


@pytest.fixture
async def stage(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Stage]:
    fakes, status_file = Fakes(), tmp_path / "status.json"
    fake_runner, fake_url = await serve(application(fakes))
    live = asyncio.create_task(fakes.live())
    async with pool() as to_neighbours, aiohttp.ClientSession() as http:
        near = Neighbours(
            Neighbour(to_neighbours, f"{fake_url}/cloud", STAFF),
            Neighbour(to_neighbours, f"{fake_url}/phone"),
            Neighbour(to_neighbours, f"{fake_url}/world"),
            status_file,
        )
        watch = Watch(near, time.time)
        runner, url = await serve(Site(near, watch).app())
        tasks = [*watch.tasks(), live]
        yield Stage(url, http, fakes, status_file)
        assert not [task for task in tasks if task.done()], "looking must never end"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        await fake_runner.cleanup()


def all_up(picture: dict[str, Any]) -> bool:
    return all(picture["up"][name] for name in ("cloud", "phone", "world"))


# --- the picture


async def test_picture_keeps_what_is_apart_from_what_the_service_knows(stage: Stage) -> None:
    await stage.picture_when(all_up)
    stage.fakes.is_gateway_online = False
    stage.fakes.happened("lock-aa1", stage.fakes.doors["lock-aa1"].force())

    picture = await stage.picture_when(lambda seen: seen["rooms"][0]["door"]["leaf"] == "open")

    room = picture["rooms"][0]
    assert (room["door"]["leaf"], room["known"]["door"]) == ("open", "closed")
    assert abs(picture["now"] - town_now()) < BOUND_S


@pytest.mark.parametrize("name", ["cloud", "phone", "world"])
@pytest.mark.parametrize("mode", ["down", "garbage"])
async def test_neighbour_that_is_away_is_marked_and_its_last_picture_kept(
    stage: Stage, name: str, mode: str
) -> None:
    before = await stage.picture_when(all_up)
    stage.fakes.mode[name] = mode
    during = await stage.picture_when(lambda picture: picture["up"][name] is False)
    stage.fakes.mode[name] = "up"
    after = await stage.picture_when(all_up)

    assert [room["name"] for room in during["rooms"]] == [room["name"] for room in before["rooms"]]
    assert during["phones"] == before["phones"] == after["phones"]


async def test_answers_of_the_wrong_types_are_left_out(stage: Stage) -> None:
    await stage.picture_when(all_up)
    stage.fakes.mode.update(dict.fromkeys(stage.fakes.mode, "wrong-types"))

    picture = await stage.picture_when(
        lambda seen: seen["phones"] == seen["gateways"] == [] and len(seen["rooms"]) == 1
    )

    assert [room["room_id"] for room in picture["rooms"]] == ["x"]
    assert (picture["bookings"], picture["town"]) == ([], "")


@pytest.mark.parametrize("junk", [None, 3, "x", [], [None], {"rooms": 1}, {"doors": []}, [[[]]]])
def test_view_never_fails_on_junk(junk: Any) -> None:
    listed = [
        view.rooms(junk, junk),
        view.bookings(junk),
        view.record(junk, junk),
        view.phones(junk),
        view.gateways(junk),
        view.happenings(junk),
    ]

    assert all(isinstance(each, list) for each in listed)
    assert view.town_now(junk, junk) is None
    assert view.is_restless(junk) is False


async def test_record_shows_who_and_whether_the_chain_holds(stage: Stage) -> None:
    stage.fakes.note("lock-aa1", "LockOperation", "unlock", "offline", "佐藤 花子")
    stage.fakes.note("lock-bb2", "LockOperationError", "refused", "relay", "鈴木", "NOT_YET_VALID")
    stage.fakes.alarms.append({"kind": "AUDIT_GAP", "device": "lock-bb2"})

    picture = await stage.picture_when(lambda seen: len(seen["record"]) == 2)

    refused, opened = picture["record"]
    assert (opened["result"], opened["holder_name"], opened["chain_ok"]) == (
        "unlock",
        "佐藤 花子",
        True,
    )
    assert (refused["reason"], refused["path"], refused["chain_ok"]) == (
        "NOT_YET_VALID",
        "relay",
        False,
    )


def test_chain_is_not_called_whole_when_alarms_cannot_be_read() -> None:
    (row,) = view.record([{"lock_id": "a", "seq": 1, "event": "Boot"}], None)

    assert row["chain_ok"] is None


# --- acts


async def test_booking_claim_and_unlock_are_passed_on(stage: Stage) -> None:
    now = int(town_now())
    booked, booking = await stage.post(
        "/api/bookings", {**BOOKING, "starts_at": now - 60, "ends_at": now + 600}
    )
    claimed, keys = await stage.post("/api/phones/佐藤/claim", {"key_link": booking["key_link"]})
    opened, result = await stage.post(
        "/api/phones/佐藤/unlock",
        {"key": keys["keys"][0]["id"], "door": None, "path": "offline", "command": "unlock"},
    )

    assert (booked, claimed, opened) == (201, 200, 200)
    assert result["granted"] is True
    assert stage.fakes.doors["lock-aa1"].bolt == 0.0


async def test_refusal_of_the_service_comes_through_with_its_words(stage: Stage) -> None:
    wanted = {**BOOKING, "starts_at": int(town_now()), "ends_at": int(town_now()) + 60}
    await stage.post("/api/bookings", wanted)

    status, problem = await stage.post("/api/bookings", wanted)

    assert (status, problem["code"]) == (409, "OVERLAP")
    assert set(LANGUAGES) <= set(problem)


@pytest.mark.parametrize("mode", ["down", "garbage"])
@pytest.mark.parametrize(
    ("path", "name", "code"),
    [
        ("/api/bookings", "cloud", "CLOUD_DOWN"),
        ("/api/phones/x/unlock", "phone", "PHONE_DOWN"),
        ("/api/phones/x/claim", "phone", "PHONE_DOWN"),
        ("/api/doors/lock-aa1/open", "world", "WORLD_DOWN"),
    ],
)
async def test_act_on_a_neighbour_that_is_away_is_told_plainly(
    stage: Stage, path: str, name: str, code: str, mode: str
) -> None:
    stage.fakes.mode[name] = mode

    assert await stage.post(path) == (503, {"code": code})


async def test_fault_of_a_neighbour_without_words_gets_ours(stage: Stage) -> None:
    status, body = await stage.post("/api/phones/nobody/unlock", {"key": "none"})

    assert (status, body["code"]) in ((502, "NOT_DONE"), (503, "PHONE_DOWN"))


async def test_staff_secret_stays_on_this_side(stage: Stage) -> None:
    picture = await stage.picture_when(lambda seen: seen["up"]["cloud"])

    assert STAFF not in json.dumps(picture)


# --- who may ask


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "127.0.0.1:80:80",
        "[::1]",
        "localhost.",
        "",
    ],
)
async def test_rebound_host_is_refused(stage: Stage, host: str) -> None:
    assert await stage.get("/api/town", Host=host) == (421, {"code": "FOREIGN_HOST"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/api/bookings", "/api/parts/broker/kill", "/api/doors/a/open"])
async def test_other_sites_cannot_act(stage: Stage, headers: dict[str, str], path: str) -> None:
    before = [each for each in stage.fakes.asked if each.startswith("POST")]

    assert await stage.post(path, **headers) == (403, {"code": "FOREIGN_ORIGIN"})
    assert [each for each in stage.fakes.asked if each.startswith("POST")] == before


async def test_form_of_another_page_cannot_act(stage: Stage) -> None:
    async with stage.http.post(stage.url + "/api/bookings", data={"room_id": "x"}) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b"\xff", b"[" * 5000, b'"x"'])
async def test_body_that_is_no_object_is_refused(stage: Stage, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with stage.http.post(stage.url + "/api/bookings", data=raw, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (400, {"code": "BAD_REQUEST"})


async def test_get_never_acts(stage: Stage) -> None:
    for path in (
        "/api/bookings",
        "/api/parts/broker/kill",
        "/api/doors/lock-aa1/open",
        "/api/phones/佐藤/claim",
    ):
        status, _ = await stage.get(path)
        assert status == 405
    assert not [each for each in stage.fakes.asked if each.startswith("POST")]


async def test_unknown_door_action_is_not_passed_on(stage: Stage) -> None:
    status, _ = await stage.post("/api/doors/lock-aa1/tamper")

    assert status == 404
    assert not [each for each in stage.fakes.asked if each.startswith("POST")]


async def test_name_cannot_climb_out_of_its_place_in_the_path(stage: Stage) -> None:
    await stage.post("/api/phones/..%2F..%2Fcloud%2Fv1/claim")
    await stage.post("/api/doors/a%2F..%2Fb%3Fx/open")

    posted = [each for each in stage.fakes.asked if each.startswith("POST")]
    assert posted
    assert all(
        each.startswith(("POST /phone/phones/..%2F", "POST /world/doors/a%2F")) for each in posted
    )


# --- the page itself


@pytest.mark.parametrize("path", ["/", "/phone"])
async def test_page_carries_a_policy_that_lets_nothing_foreign_in(stage: Stage, path: str) -> None:
    async with stage.http.get(stage.url + path) as answer:
        policy, body = answer.headers["Content-Security-Policy"], await answer.text()

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", body)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", body)


@pytest.mark.parametrize(
    "path",
    [
        "/web/../site.py",
        "/web/%2e%2e/site.py",
        "/web/..%2fguard.py",
        "/web//etc/passwd",
        "/web/texts",
        "/web/none.js",
    ],
)
async def test_only_files_of_the_page_are_served(stage: Stage, path: str) -> None:
    port = int(stage.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = await asyncio.wait_for(reader.readline(), BOUND_S)
    writer.close()
    await writer.wait_closed()

    assert status.split()[1] == b"404"


async def test_every_module_that_the_page_imports_is_served(stage: Stage) -> None:
    named = {"/web/app.js", "/web/style.css", "/web/parts.css", "/web/tokens.css", "/web/mark.svg"}
    for file in WEB.glob("*.js"):
        named |= {f"/web/{name}" for name in re.findall(r'from "\./([\w.]+)"', file.read_text())}
    for path in named:
        async with stage.http.get(stage.url + path) as answer:
            assert answer.status == 200, path


# --- killing


def write_status(file: Path, children: list[dict[str, Any]], pid: int) -> None:
    file.write_text(json.dumps({"name": "demo", "pid": pid, "children": children}))


@pytest.fixture
def victim() -> Any:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


async def test_listed_part_is_killed(stage: Stage, victim: Any) -> None:
    write_status(
        stage.status_file, [{"name": "broker", "pid": victim.pid, "state": "ready"}], os.getpid()
    )

    assert await stage.post("/api/parts/broker/kill") == (200, {"killed": "broker"})
    assert await asyncio.to_thread(victim.wait, BOUND_S) == -9


@pytest.mark.parametrize(
    "name", ["gateway", "..%2Fbroker", "broker%00", "1", "BROKER", "broker%20"]
)
async def test_part_that_is_not_listed_is_not_killed(stage: Stage, victim: Any, name: str) -> None:
    write_status(
        stage.status_file, [{"name": "broker", "pid": victim.pid, "state": "ready"}], os.getpid()
    )

    assert await stage.post(f"/api/parts/{name}/kill") == (404, {"code": "UNKNOWN_PART"})
    assert victim.poll() is None


@pytest.mark.parametrize(
    ("child", "supervisor", "code"),
    [
        ({"name": "world"}, None, "NOT_KILLABLE"),
        ({"name": "postgres"}, None, "NOT_KILLABLE"),
        ({"name": "broker"}, 1, "PART_NOT_RUNNING"),  # a pid that is no child of the supervisor
        ({"name": "broker", "pid": None}, None, "PART_NOT_RUNNING"),
        ({"name": "broker", "pid": -1}, None, "PART_NOT_RUNNING"),
        ({"name": "broker", "pid": 0}, None, "PART_NOT_RUNNING"),
        ({"name": "broker", "pid": True}, None, "PART_NOT_RUNNING"),
    ],
)
def test_only_children_of_the_supervisor_can_be_killed(
    tmp_path: Path, victim: Any, child: dict[str, Any], supervisor: int | None, code: str
) -> None:
    file = tmp_path / "status.json"
    write_status(file, [{"pid": victim.pid, "state": "ready", **child}], supervisor or os.getpid())

    assert parts.kill_part(file, child["name"]) == code
    assert victim.poll() is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"children": {}}', b"[" * 100_000]
)
async def test_broken_status_file_is_told(stage: Stage, raw: bytes) -> None:
    stage.status_file.write_bytes(raw)

    assert await stage.post("/api/parts/broker/kill") == (503, {"code": "PARTS_DOWN"})


# --- the program


async def test_program_says_where_it_serves_and_ends_when_told(
    tmp_path: Path, socket_enabled: None
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    urls = [f"--{name}=http://127.0.0.1:9" for name in ("cloud", "phone", "world")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator.stage",
        *urls,
        f"--staff-secret-file={secret}",
        f"--status-file={tmp_path / 'status.json'}",
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), BOUND_S))
    async with aiohttp.ClientSession() as http, http.get(f"{ready['url']}api/town") as answer:
        picture = await answer.json()
    process.terminate()

    assert ready["ready"] is True
    assert picture["rooms"] == []
    assert await asyncio.wait_for(process.wait(), BOUND_S) == 0


async def test_program_without_its_secret_says_what_to_check(
    tmp_path: Path, socket_enabled: None
) -> None:
    urls = [f"--{name}=http://127.0.0.1:9" for name in ("cloud", "phone", "world")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator.stage",
        *urls,
        "--staff-secret-file",
        str(tmp_path / "none"),
        "--status-file",
        str(tmp_path / "status.json"),
        stderr=subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), BOUND_S)

    assert process.returncode == 2
    assert b"--staff-secret-file" in errors
