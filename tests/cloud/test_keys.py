"""Collecting a key: what a link gives, to whom, when; and that the database holds no secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cloud import keywrap
from cloud.issuer import OrderError
from cloud.keyfiles import PURPOSES, key_path, read_key
from cloud.ports import TokenOrder, WrappedKey
from kannuki.errors import InputError
from kannuki.messages import from_base64url, to_base64url
from protocol import keys
from protocol import token as tokens
from tests.cloud.support import START, Town, make_keys
from tests.cloud.web import Web, open_web

DAY_S = 86_400


class Phone:
    """A device with its own key pair."""

    def __init__(self) -> None:
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.device_key = to_base64url(keywrap.raw_point(self.private_key.public_key()))

    async def claim(self, web: Web, secret: str) -> Any:
        body = {"secret": secret, "device_key": self.device_key}
        return await web.post("/v1/keys/claim", body)

    def unwrap(self, credential: dict[str, str]) -> bytes:
        wrapped = WrappedKey(
            from_base64url(credential["server_key"]),
            from_base64url(credential["wrapped_proof_key"]),
        )
        return keywrap.unwrap(wrapped, from_base64url(credential["token"]), self.private_key)


async def book(web: Web, starts_at: int = START, room_id: str = "room-1") -> dict[str, Any]:
    body = {
        "room_id": room_id,
        "starts_at": starts_at,
        "ends_at": starts_at + 3600,
        "holder_name": "山田 花子",
    }
    answer = await web.post("/v1/bookings", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def secret_of(booked: dict[str, Any]) -> str:
    link: str = booked["key_link"]
    assert link.startswith("https://key.example/open#")
    return link.partition("#")[2]


async def test_phone_gets_the_proof_key_that_the_lock_derives(town: Town) -> None:
    phone = Phone()
    async with open_web(town.service) as web:
        got = (await phone.claim(web, secret_of(await book(web)))).json()
    (credential,) = got["credentials"]
    raw_token = from_base64url(credential["token"])
    lock = town.locks[0]
    expected = keys.proof_key(lock.kdk(town.service.vault.public_keys), raw_token)
    assert phone.unwrap(credential) == expected
    assert tokens.parse(raw_token)[1].audience == credential["lock_id"] == lock.lock_id
    said = {name: got["booking"][name] for name in ("room", "starts_at", "ends_at")}
    assert said == {"room": "第1会議室", "starts_at": START, "ends_at": START + 3600}
    assert "山田" not in str(got)


async def test_same_device_collects_again_and_another_is_told_to_ask(town: Town) -> None:
    phone, other = Phone(), Phone()
    async with open_web(town.service) as web:
        secret = secret_of(await book(web))
        first, second = await phone.claim(web, secret), await phone.claim(web, secret)
        refused = await other.claim(web, secret)
    assert first.json()["relay_ticket"] == second.json()["relay_ticket"]
    assert phone.unwrap(first.json()["credentials"][0]) == phone.unwrap(
        second.json()["credentials"][0]
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "OTHER_DEVICE")
    assert "引き継ぎ" in refused.json()["ja"]


async def test_unknown_and_dead_links_look_the_same(town: Town) -> None:
    async with open_web(town.service) as web:
        booked = await book(web)
        path = f"/bookings/{booked['booking_id']}/key-link"
        renewed = (await web.staff("POST", path)).json()
        dead = await Phone().claim(web, secret_of(booked))
        unknown = await Phone().claim(web, "A" * 24)
        alive = await Phone().claim(web, secret_of(renewed))
    assert (dead.status_code, dead.text) == (unknown.status_code, unknown.text)
    assert (dead.status_code, alive.status_code) == (404, 200)


async def test_hand_over_gives_a_new_token_and_withdraws_the_old(town: Town) -> None:
    async with open_web(town.service) as web:
        booked = await book(web)
        old = (await Phone().claim(web, secret_of(booked))).json()["credentials"][0]["token"]
        path = f"/bookings/{booked['booking_id']}/key-link"
        renewed = (await web.staff("POST", path)).json()
        new = (await Phone().claim(web, secret_of(renewed))).json()["credentials"][0]["token"]
        lists = (await web.staff("GET", "/fleet")).json()["status_lists"]
    assert old != new
    assert lists == [
        {"lock_id": "aaaaaaaa", "version": 1, "acknowledged_version": 0, "attempts": 0}
    ]
    assert web.pokes > 0


async def test_key_is_released_three_days_before_its_window(town: Town) -> None:
    phone = Phone()
    async with open_web(town.service) as web:
        booked = await book(web, START + 5 * DAY_S)
        early = await phone.claim(web, secret_of(booked))
        town.clock.now = START + 5 * DAY_S - 600 - 72 * 3600
        assert booked["key_from"] == town.clock.now
        later = await phone.claim(web, secret_of(booked))
    assert (early.status_code, early.json()["code"]) == (425, "TOO_EARLY_FOR_KEY")
    assert "2026-12-07 09:50" in early.json()["en"]
    assert later.status_code == 200


async def test_key_of_a_cancelled_or_past_booking_is_gone(town: Town) -> None:
    async with open_web(town.service) as web:
        cancelled, past = await book(web), await book(web, room_id="room-2")
        gone = await web.post("/v1/keys/cancel", {"secret": secret_of(cancelled)})
        assert (gone.status_code, gone.json()["status"]) == (200, "cancelled")
        again = await web.post("/v1/keys/cancel", {"secret": secret_of(cancelled)})
        assert again.json() == gone.json()
        first = await Phone().claim(web, secret_of(cancelled))
        town.clock.now = START + 2 * 3600
        second = await Phone().claim(web, secret_of(past))
    assert (first.status_code, first.json()["code"]) == (410, "BOOKING_CANCELLED")
    assert (second.status_code, second.json()["code"]) == (410, "BOOKING_OVER")


@pytest.mark.parametrize("device_key", ["", "AAAA", to_base64url(b"\x04" + bytes(64))])
async def test_bad_device_key_binds_nothing(town: Town, device_key: str) -> None:
    async with open_web(town.service) as web:
        secret = secret_of(await book(web))
        body = {"secret": secret, "device_key": device_key}
        bad = await web.post("/v1/keys/claim", body)
        assert (bad.status_code, bad.json()["code"]) == (422, "BAD_DEVICE_KEY")
        assert (await Phone().claim(web, secret)).status_code == 200


async def test_database_holds_no_secret_key_or_ticket(town: Town) -> None:
    phone = Phone()
    async with open_web(town.service) as web:
        secret = secret_of(await book(web))
        got = (await phone.claim(web, secret)).json()
    proof_key = phone.unwrap(got["credentials"][0])
    town.service.database.close()
    stored = b"".join(path.read_bytes() for path in town.folder.glob("town.db*"))
    private = [read_key(key_path(town.folder / "keys", p), p).secret for p in PURPOSES]
    kdk = town.locks[0].kdk(town.service.vault.public_keys)
    assert from_base64url(got["credentials"][0]["token"]) in stored
    for value in (
        secret.encode(),
        from_base64url(secret),
        proof_key,
        kdk,
        got["relay_ticket"].encode(),
        *private,
    ):
        assert value not in stored
        assert to_base64url(value).encode() not in stored
        assert value.hex().encode() not in stored


def test_wrapped_key_opens_for_its_device_and_token_alone() -> None:
    phone, other = Phone(), Phone()
    wrapped = keywrap.wrap(bytes(range(32)), b"token", from_base64url(phone.device_key))
    assert keywrap.unwrap(wrapped, b"token", phone.private_key) == bytes(range(32))
    for token, key in ((b"other", phone.private_key), (b"token", other.private_key)):
        with pytest.raises(keywrap.KeyWrapError):
            keywrap.unwrap(wrapped, token, key)
    again = keywrap.wrap(bytes(range(32)), b"token", from_base64url(phone.device_key))
    assert again.server_key != wrapped.server_key


def test_booking_issuer_signs_no_housekeeping_and_no_long_window(town: Town) -> None:
    issuer = town.service.signers.issuer
    for order in (
        TokenOrder("aaaaaaaa", START, START + 60, tokens.MAINTAIN, 1),
        TokenOrder("aaaaaaaa", START, START + 90 * DAY_S, tokens.UNLOCK, 1),
    ):
        with pytest.raises(OrderError):
            issuer.issue(order, START)


def test_key_files_are_private_and_not_taken_for_one_another(tmp_path: Path) -> None:
    make_keys(tmp_path)
    vault = key_path(tmp_path, "vault")
    assert stat.S_IMODE(os.stat(vault).st_mode) == 0o600
    with pytest.raises(InputError, match="holds the vault key"):
        read_key(vault, "booking-issuer")
    vault.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        read_key(vault, "vault")


def test_issuer_and_vault_never_import_each_other() -> None:
    folder = Path(keywrap.__file__).parent
    assert "vault" not in (folder / "issuer.py").read_text().partition('"""\n\nfrom')[2].replace(
        "vault_epoch", ""
    )
    assert "issuer" not in (folder / "vault.py").read_text().partition('"""\n\nfrom')[2]
