"""Collecting, handing over, "it was not me", lost storage, several holders: over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from cloud import reports
from cloud.models import KeyDelivery
from kannuki.messages import from_base64url, to_base64url
from protocol import token as tokens
from tests.cloud.keys.support import (
    CONTACT,
    PostOffice,
    add_holder,
    book,
    check_lists,
    claim,
    link,
    live,
    newest_list,
    remove_holder,
    steps,
    with_mail,
)
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone
from tests.cloud.web import Web, open_web

LOCK = "aaaaaaaa"


async def collected(web: Web, phone: Phone, secret: str) -> dict[str, Any]:
    answer = await phone.claim(web, secret)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def secret_in(answer: Any) -> str:
    return str(answer.json()["key_link"]).partition("#")[2]


def cti_of(told: dict[str, Any]) -> bytes:
    raw = from_base64url(told["credentials"][0]["token"])
    return bytes(tokens.parse(raw)[1].cti)


async def test_hand_over_moves_the_key_when_the_next_phone_collects_it_and_not_before(
    town: Town,
) -> None:
    first, second = Phone(), Phone()
    booking_id = book(town)
    async with open_web(town.service) as web:
        old = await collected(web, first, link(town, booking_id))
        handed = await web.post("/v1/keys/hand-over", None, old["relay_ticket"])
        assert handed.status_code == 201
        assert not newest_list(town, LOCK).lists(cti_of(old))
        new = await collected(web, second, secret_in(handed))
        assert newest_list(town, LOCK).lists(cti_of(old))
        assert cti_of(new) != cti_of(old)
        again = await web.post("/v1/keys/hand-over", None, old["relay_ticket"])
        assert (again.status_code, again.json()["code"]) == (401, "NO_TICKET")
    assert [row.cti for row in live(town, booking_id)] == [cti_of(new)]


async def test_link_alone_hands_nothing_over(town: Town) -> None:
    secret = link(town, book(town))
    async with open_web(town.service) as web:
        await collected(web, Phone(), secret)
        for shown in (secret, "", town.service.vault.relay_tickets(secret.encode())[0]):
            refused = await web.post("/v1/keys/hand-over", None, shown)
            assert (refused.status_code, refused.json()["code"]) == (401, "NO_TICKET")


async def test_hand_over_link_closes_after_an_hour(town: Town) -> None:
    async with open_web(town.service) as web:
        old = await collected(web, Phone(), link(town, book(town)))
        handed = await web.post("/v1/keys/hand-over", None, old["relay_ticket"])
        town.clock.now += 3601
        late = await Phone().claim(web, secret_in(handed))
    assert (late.status_code, late.json()["code"]) == (404, "UNKNOWN_KEY")


async def test_same_phone_by_a_new_link_keeps_its_key(town: Town) -> None:
    phone, booking_id = Phone(), book(town)
    async with open_web(town.service) as web:
        old = await collected(web, phone, link(town, booking_id))
        new = await collected(web, phone, link(town, booking_id))
    assert cti_of(old) == cti_of(new)
    assert old["relay_ticket"] != new["relay_ticket"]
    assert not newest_list(town, LOCK).lists(cti_of(old))


async def test_thief_who_claimed_first_is_put_out_and_the_registered_contact_gets_the_next_link(
    town: Town,
) -> None:
    thief, owner, post = Phone(), Phone(), PostOffice()
    booking_id = book(town)
    steps(town, post).drain()
    (secret,) = post.secrets()
    async with open_web(with_mail(town.service), post) as web:
        stolen = await collected(web, thief, secret)
        refused = await owner.claim(web, secret)
        assert refused.json()["code"] == "OTHER_DEVICE"
        told = await web.post("/v1/keys/dispute", {"secret": secret})
        assert told.json() == {"booking_id": booking_id, "mailed": True}
        assert newest_list(town, LOCK).lists(cti_of(stolen))
        for dead in (thief, owner):
            assert (await dead.claim(web, secret)).json()["code"] == "UNKNOWN_KEY"
        relay = {"lock_id": LOCK, "message": "AQI"}
        assert (await web.post("/v1/relay", relay, stolen["relay_ticket"])).status_code == 401
        again = await web.post("/v1/keys/dispute", {"secret": secret})
        assert again.json()["code"] == "UNKNOWN_KEY"
        mine = await collected(web, owner, post.secrets()[-1])
    assert len(post.letters) == 2
    assert [row.cti for row in live(town, booking_id)] == [cti_of(mine)]
    with town.service.database.read() as session:
        assert [line["kind"] for line in reports.alarm_lines(session, 9)] == ["KEY_DISPUTED"]


async def test_owner_disputes_with_the_link_whose_key_was_handed_over_behind_their_back(
    town: Town,
) -> None:
    owner, thief, booking_id = Phone(), Phone(), book(town)
    secret = link(town, booking_id)
    async with open_web(town.service) as web:
        mine = await collected(web, owner, secret)
        taken = secret_in(await web.post("/v1/keys/hand-over", None, mine["relay_ticket"]))
        stolen = await collected(web, thief, taken)
        assert (await web.post("/v1/keys/dispute", {"secret": secret})).status_code == 200
        assert newest_list(town, LOCK).lists(cti_of(stolen))
        fresh = await collected(web, owner, link(town, booking_id))
        again = await web.post("/v1/keys/dispute", {"secret": secret})
        assert again.json()["code"] == "UNKNOWN_KEY"
    assert [row.cti for row in live(town, booking_id)] == [cti_of(fresh)]


async def test_nothing_is_disputed_that_nobody_collected(town: Town) -> None:
    async with open_web(town.service) as web:
        answer = await web.post("/v1/keys/dispute", {"secret": link(town, book(town))})
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_COLLECTED")


async def test_lost_storage_gets_a_link_by_mail_and_a_stranger_the_same_answer(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    asked = [
        {"reference": booking_id, "contact": CONTACT.upper()},
        {"reference": booking_id, "contact": "thief@example.jp"},
        {"reference": "nothing-like-it", "contact": CONTACT},
    ]
    async with open_web(with_mail(town.service), post) as web:
        steps(town, post).drain()
        town.clock.now += 301
        answers = [await web.post("/v1/keys/again", body) for body in asked]
        assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
        assert [letter.to for letter in post.letters] == [CONTACT, CONTACT]
        first, second = post.secrets()
        assert (await Phone().claim(web, first)).json()["code"] == "UNKNOWN_KEY"
        await collected(web, Phone(), second)


async def test_letters_on_request_are_few(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    body = {"reference": booking_id, "contact": CONTACT}
    async with open_web(with_mail(town.service), post) as web:
        steps(town, post).drain()
        for _ in range(5):
            await web.post("/v1/keys/again", body)
        assert len(post.letters) == 1
        for _ in range(20):
            with town.service.database.write() as session:
                session.get_one(KeyDelivery, (booking_id, "")).asked_at = 0
            await web.post("/v1/keys/again", body)
    assert len(post.letters) == 10


async def test_without_mail_the_page_says_to_phone(town: Town) -> None:
    async with open_web(town.service) as web:
        for reference in (book(town), "nothing-like-it"):
            body = {"reference": reference, "contact": CONTACT}
            answer = await web.post("/v1/keys/again", body)
            assert (answer.status_code, answer.json()["code"]) == (409, "MAIL_OFF")


async def test_each_holder_has_a_key_of_their_own_and_loses_it_alone(town: Town) -> None:
    booking_id = book(town)
    daughter = add_holder(town, booking_id, "山田 月子", "tsukiko@example.jp")
    post, phones = PostOffice(), [Phone(), Phone()]
    steps(town, post).drain()
    async with open_web(town.service) as web:
        hers = await collected(web, phones[0], post.secrets("tsukiko@example.jp")[0])
        his = await collected(web, phones[1], post.secrets()[0])
        assert cti_of(hers) != cti_of(his)
        assert len(live(town, booking_id)) == 2
        remove_holder(town, booking_id, daughter)
        steps(town).drain()
        assert newest_list(town, LOCK).lists(cti_of(hers))
        assert not newest_list(town, LOCK).lists(cti_of(his))
        gone = await phones[0].claim(web, post.secrets("tsukiko@example.jp")[0])
        assert gone.json()["code"] == "UNKNOWN_KEY"
    assert [row.holder_id for row in live(town, booking_id)] == [""]
    check_lists(town)


async def test_staff_reissue_withdraws_the_lost_phone_at_once(town: Town) -> None:
    booking_id = book(town)
    async with open_web(town.service) as web:
        lost = await collected(web, Phone(), link(town, booking_id))
        renewed = await web.staff("POST", f"/bookings/{booking_id}/key-link")
        assert newest_list(town, LOCK).lists(cti_of(lost))
        await collected(web, Phone(), secret_in(renewed))
    check_lists(town)


async def test_key_page_learns_what_it_shows_and_no_name(town: Town) -> None:
    booking_id = book(town)
    async with open_web(town.service) as web:
        told = await collected(web, Phone(), link(town, booking_id))
    assert told["booking"]["booking_id"] == booking_id
    assert (told["booking"]["room"], told["booking"]["starts_at"]) == ("第1会議室", START)
    assert len(told["pin"]) == 10 and told["pin"].isdigit()
    assert told["pin_from"] <= START and told["pin_until"] >= START + 3600
    assert "山田" not in str(told)


def test_claim_does_not_wait_for_the_worker(town: Town) -> None:
    booking_id = book(town)
    secret = link(town, booking_id)
    assert live(town, booking_id) == []
    got = claim(town, secret, Phone())
    steps(town).drain()
    assert [row.cti for row in live(town, booking_id)] == [got.credential.cti]


@pytest.mark.parametrize("path", ["claim", "dispute"])
async def test_unknown_secrets_look_like_dead_ones(town: Town, path: str) -> None:
    booking_id = book(town)
    dead = link(town, booking_id)
    link(town, booking_id)
    async with open_web(town.service) as web:
        answers = []
        for secret in (dead, to_base64url(bytes(18))):
            body: dict[str, Any] = {"secret": secret}
            if path == "claim":
                body["device_key"] = Phone().device_key
            answers.append(await web.post(f"/v1/keys/{path}", body))
    assert answers[0].status_code == answers[1].status_code == 404
    assert answers[0].text == answers[1].text
