"""What the key site serves besides claims: doors, codes, the worker; stickers from the office."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import segno

from cloud import bookings, keylinks, sticker
from cloud.booking.places import main_facility, words
from cloud.models import Room
from cloud.web import key_pages
from cloud.web.apps import create_app
from cloud.web.context import Site
from kannuki.cli import run
from tests.cloud.support import START, TOWN, TestLock, Town
from tests.cloud.test_sites import context_of

KEY = "https://key.misaki.jp"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def key_site(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    town.service = replace(town.service, key_page_url=f"{KEY}/")
    transport = httpx.ASGITransport(create_app(context_of(town), Site.KEY))
    async with httpx.AsyncClient(transport=transport, base_url=KEY) as client:
        yield client


def link_of(town: Town) -> str:
    """The secret of a booking's link."""
    service, now = town.service, town.clock()
    with service.database.write() as session:
        booking = bookings.create(
            session, service.random_bytes, now,
            room_id="room-1", starts_at=START, ends_at=START + 3600, holder_name="山田",
        )  # fmt: skip
        return keylinks.new_link(session, service.signers, booking, service.random_bytes, now)


# --- doors


async def test_a_door_tells_its_room_and_house_and_nothing_of_who_is_in_it(
    town: Town, key_site: httpx.AsyncClient
) -> None:
    before = (await key_site.get("/v1/doors/aaaaaaaa")).json()
    link_of(town)
    told = (await key_site.get("/v1/doors/aaaaaaaa")).json()
    assert told == before
    names = {"room", "facility", "rooms", "facilities"}
    assert set(told) == {"lock_id", "phone", "book_url"} | names
    assert (told["room"], told["book_url"]) == ("第1会議室", "https://book.misaki.jp")


async def test_a_door_is_named_in_the_languages_that_the_town_wrote(
    town: Town, key_site: httpx.AsyncClient
) -> None:
    with town.service.database.write() as session:
        room = session.get_one(Room, (TOWN, "room-1"))
        room.names = words({"ja": "第1会議室", "en": "Meeting room 1"})
        main_facility(session).names = words({"ja": "中央公民館"})
    told = (await key_site.get("/v1/doors/aaaaaaaa")).json()
    assert told["rooms"] == {"ja": "第1会議室", "en": "Meeting room 1"}
    assert (told["facility"], told["facilities"]) == ("中央公民館", {"ja": "中央公民館"})


async def test_an_unknown_door_and_one_that_hangs_nowhere_are_the_same(
    town: Town, key_site: httpx.AsyncClient
) -> None:
    unknown = await key_site.get("/v1/doors/zzzzzzzz")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_LOCK")
    other = TestLock("dddddddd").enrolment(START)
    with town.service.database.write() as session:
        room = bookings.find_room(session, "room-1")
        assert room is not None
        bookings.hang_lock(session, town.service.signers, other, room, town.clock())
    assert (await key_site.get("/v1/doors/aaaaaaaa")).json() == unknown.json()
    assert (await key_site.get("/v1/doors/NOT-ONE")).status_code == 422


async def test_a_sticker_leads_to_the_page_under_its_policy(key_site: httpx.AsyncClient) -> None:
    page = await key_site.get("/d/aaaaaaaa")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.content == (await key_site.get("/")).content
    assert (await key_site.get("/d/../v1")).status_code == 404


# --- links as codes


async def test_a_living_link_is_drawn_and_nothing_else_is(
    town: Town, key_site: httpx.AsyncClient
) -> None:
    secret = link_of(town)
    drawn = (await key_site.post("/v1/keys/qr", json={"secret": secret})).json()["svg"]
    assert drawn == key_pages.qr_svg(f"{KEY}/#{secret}")
    dead = await key_site.post("/v1/keys/qr", json={"secret": "x" * 24})
    assert (dead.status_code, dead.json()["code"]) == (404, "UNKNOWN_KEY")
    free = await key_site.post("/v1/keys/qr", json={"secret": "https://evil.example"})
    assert free.status_code == 422


def test_codes_are_drawn_without_styles_and_scripts() -> None:
    drawn = ElementTree.fromstring(key_pages.qr_svg("https://key.misaki.jp/#secret"))
    assert {each.tag for each in drawn.iter()} == {f"{SVG}svg", f"{SVG}path"}
    assert all("style" not in each.attrib for each in drawn.iter())


# --- the worker


async def test_the_worker_keeps_files_that_are_served_and_no_answers(
    key_site: httpx.AsyncClient,
) -> None:
    worker = await key_site.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    kept = json.loads(worker.text.split("const PRECACHE = ")[1].split(";\n")[0])
    assert not [file for file in kept["files"] if file.startswith("/v1/")]
    assert "/sw.js" not in kept["files"]
    for file in kept["files"]:
        assert (await key_site.get(file)).status_code == 200, file


def test_another_word_on_the_page_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ja.json"
    versions = []
    monkeypatch.setattr(key_pages, "_kept_files", lambda: iter([("/texts/ja.json", file)]))
    for content in ("{}", "{} ", "{}"):
        file.write_text(content)
        key_pages.worker_source.cache_clear()
        versions.append(key_pages.worker_source().split('"version": "')[1][:16])
    key_pages.worker_source.cache_clear()
    assert versions[0] == versions[2] != versions[1]


# --- stickers


def test_the_sheet_shows_the_room_and_the_doors_address_as_a_code() -> None:
    address = key_pages.door_address(f"{KEY}/", "aaaaaaaa")
    assert address == "https://key.misaki.jp/d/aaaaaaaa"
    sheet = ElementTree.fromstring(sticker.sheet(address, "第1会議室 <A&B>", "中央公民館"))
    said = [each.text for each in sheet.iter(f"{SVG}text")]
    assert said[:2] == ["中央公民館", "第1会議室 <A&B>"]
    assert address in said
    (drawn,) = sheet.iter(f"{SVG}path")
    wanted = segno.make(address, error="q", micro=False).svg_inline(border=0)
    assert drawn.attrib["d"] in wanted


@pytest.mark.parametrize("room", ["和室", "みさき市立中央公民館別館二階第一大会議室", "x" * 200])
def test_every_name_fits_the_sheet(room: str) -> None:
    sheet = ElementTree.fromstring(sticker.sheet("https://k.jp/d/aaaaaaaa", room, room))
    for each in sheet.iter(f"{SVG}text"):
        letters = sum(1 if ord(letter) >= 0x2E80 else 0.6 for letter in each.text or "")
        assert letters * float(each.attrib["font-size"]) <= sticker.WIDTH_MM - 15


def test_an_nfc_tag_gets_the_same_address() -> None:
    message = sticker.ndef_message("https://key.misaki.jp/d/aaaaaaaa")
    assert message == b"\xd1\x01\x19U\x04key.misaki.jp/d/aaaaaaaa"
    assert sticker.ndef_message("http://k/d/a")[4] == 3
    with pytest.raises(ValueError, match="length"):
        sticker.ndef_message("https://" + "x" * 300)


def test_the_office_makes_stickers_for_doors_that_hang(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = town.folder
    base = ["cloud", "door-sticker", "--database", str(folder / "town.db"), "--keys-dir"]
    base += [str(folder / "keys"), "--town", TOWN, "--key-page-url", f"{KEY}/"]
    for name in ("door.svg", "door.png"):
        out = tmp_path / name
        assert run([*base, "aaaaaaaa", "--out", str(out), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["url"] == f"{KEY}/d/aaaaaaaa"
        assert bytes.fromhex(told["ndef"]) == sticker.ndef_message(told["url"])
    assert "第1会議室" in (tmp_path / "door.svg").read_text(encoding="utf-8")
    assert (tmp_path / "door.png").read_bytes().startswith(b"\x89PNG")
    assert run([*base, "zzzzzzzz", "--out", str(tmp_path / "z.svg")]) == 2
    assert run([*base, "aaaaaaaa", "--out", str(tmp_path / "z.pdf")]) == 2
