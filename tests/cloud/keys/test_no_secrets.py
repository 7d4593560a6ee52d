"""Whoever steals the database has no secret: no link, ticket, number, proof key, password."""

from __future__ import annotations

import logging

import pytest

from cloud.keyfiles import PURPOSES, key_path, read_key
from kannuki.messages import from_base64url, to_base64url
from tests.cloud.keys.support import (
    PostOffice,
    add_holder,
    book,
    cancel,
    link,
    steps,
    with_mail,
)
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone
from tests.cloud.web import open_web


async def test_database_logs_and_representations_hold_no_secret(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    post, phones = PostOffice(), [Phone() for _ in range(3)]
    secrets: list[str] = []
    raw: list[bytes] = []
    booking_id, other = book(town), book(town, START + 7200, contact="")
    add_holder(town, booking_id, "山田 月子", "tsukiko@example.jp")
    async with open_web(with_mail(town.service), post) as web:
        steps(town, post).drain()
        secrets += [*post.secrets(), *post.secrets("tsukiko@example.jp"), link(town, other)]
        for number, secret in enumerate(secrets[:2]):
            told = (await phones[number].claim(web, secret)).json()
            raw.append(phones[number].unwrap(told["credentials"][0]))
            secrets += [told["relay_ticket"], told["pin"]]
            handed = await web.post("/v1/keys/hand-over", None, told["relay_ticket"])
            secrets.append(handed.json()["key_link"].partition("#")[2])
        body = {"lock_id": "aaaaaaaa", "reason": "x y", "device_key": phones[2].device_key}
        staff = (await web.staff("POST", "/keys", json=body)).json()
        raw.append(phones[2].unwrap(staff["credentials"][0]))
        secrets.append(staff["relay_ticket"])
        slip = await web.staff("POST", f"/bookings/{booking_id}/pin", json={})
        secrets.append(slip.json()["pin"])
        await web.post("/v1/keys/dispute", {"secret": secrets[0]})
        cancel(town, other)
        steps(town, post).drain()
        shown = repr((web.hub, town.service, post, steps(town, post)))
    raw += [read_key(key_path(town.folder / "keys", p), p).secret for p in PURPOSES]
    raw += [from_base64url(secret) for secret in secrets if not secret.isdigit()]
    town.service.database.close()
    stored = b"".join(path.read_bytes() for path in town.folder.glob("town.db*"))
    said = caplog.text + shown
    assert from_base64url(staff["credentials"][0]["token"]) in stored
    assert len(secrets) >= 10 and len(raw) >= 15
    for secret in secrets:
        assert secret.encode() not in stored
        assert secret not in said
    for value in raw:
        for form in (value, value.hex().encode(), to_base64url(value).encode()):
            assert form not in stored
        assert value.hex() not in said
        assert to_base64url(value) not in said
