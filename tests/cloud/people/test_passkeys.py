"""Staff come in with passkeys: invited, registered, signed in, lost; and nobody else does."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cloud.models import Passkey, PasskeyChallenge, StaffInvite
from cloud.people import passkeys
from cloud.people.sessions import DESK
from kannuki.messages import to_base64url
from tests.cloud.people.authenticator import UP
from tests.cloud.people.support import CONSOLE, Desk, open_desk
from tests.cloud.support import Town

ON_BOTH_DATABASES = True
MANAGER = {"role": "manager", "facility_id": None}


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    async with open_desk(town) as opened:
        yield opened


async def test_invitation_becomes_a_passkey_and_a_session_and_the_passkey_comes_back(
    desk: Desk,
) -> None:
    staff_id, secret = await desk.invite("田中 管理", MANAGER)
    device = desk.authenticator
    joined = await desk.join(secret, device)
    assert joined.status_code == 200, joined.text
    assert joined.json()["staff_id"] == staff_id
    assert (await desk.ask("GET", "me")).json()["may"]["staff.change"] == "*"
    assert (await desk.ask("POST", "session/end")).status_code == 204
    assert (await desk.ask("GET", "me")).json()["code"] == "NOT_STAFF"
    entered = await desk.enter(device)
    assert entered.status_code == 200, entered.text
    (passkey,) = entered.json()["passkeys"]
    assert (passkey["label"], passkey["backed_up"]) == ("窓口のPC", False)
    line = entered.headers["set-cookie"]
    assert all(part in line for part in ("__Host-", "Secure", "HttpOnly", "Path=/", "strict"))
    assert "Domain" not in line


async def test_options_ask_for_a_discoverable_passkey_that_verifies_its_user_and_name_nobody(
    desk: Desk,
) -> None:
    _, secret = await desk.invite("田中", MANAGER)
    start = await desk.ask("POST", "passkeys/challenge", {"invite": secret})
    options = start.json()["options"]
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert options["attestation"] == "none"
    asked = (await desk.ask("POST", "session/challenge")).json()["options"]
    assert (asked["userVerification"], asked["rpId"]) == ("required", "console.example")
    assert not asked.get("allowCredentials")


async def test_invitation_is_good_once_and_for_72_hours(desk: Desk) -> None:
    _, secret = await desk.invite("田中", MANAGER)
    desk.town.clock.now += 72 * 3600 - 1
    assert (await desk.join(secret, desk.authenticator)).status_code == 200
    used = await desk.join(secret, desk.authenticator)
    _, late = await desk.invite("佐藤", MANAGER)
    desk.town.clock.now += 72 * 3600
    over = await desk.join(late, desk.authenticator)
    never = await desk.join(to_base64url(secrets.token_bytes(32)), desk.authenticator)
    assert used.json() == over.json() == never.json()
    assert (used.status_code, used.json()["code"]) == (403, "INVITE_REFUSED")


async def test_new_invitation_ends_the_old_one_and_may_drop_lost_passkeys(desk: Desk) -> None:
    await desk.employ("残る", "manager")
    staff_id, jar, lost = await desk.employ("失くした", "clerk")
    first = await desk.machine("POST", f"people/{staff_id}/invite", {})
    second = await desk.machine("POST", f"people/{staff_id}/invite", {"drop_passkeys": True})
    old, new = (a.json()["invite_link"].rpartition("#")[2] for a in (first, second))
    assert (await desk.join(old, desk.authenticator)).json()["code"] == "INVITE_REFUSED"
    assert (await desk.ask("GET", "me", jar=jar)).status_code == 401
    assert (await desk.enter(lost)).json()["code"] == "PASSKEY_REFUSED"
    assert (await desk.join(new, desk.authenticator)).status_code == 200


BENT: list[dict[str, Any]] = [
    {"origin": "https://book.example"},
    {"origin": "https://console.example.evil.example"},
    {"rp_id": "book.example"},
    {"kind": "webauthn.create"},
    {"challenge": to_base64url(bytes(32))},
    {"flags": UP},
    {"flags": 0},
    {"user_handle": bytes(32)},
    {"key": ec.derive_private_key(7, ec.SECP256R1())},
]


@pytest.mark.parametrize("bent", BENT, ids=lambda bent: "-".join(map(str, bent)))
async def test_bent_assertion_is_refused_in_the_same_words_as_an_unknown_passkey(
    desk: Desk, bent: dict[str, Any]
) -> None:
    _, _, device = await desk.employ("田中", "manager")
    refused = await desk.enter(device, {}, **bent)
    stranger = desk.authenticator
    stranger.create({"user": {"id": "AAAA"}, "rp": {"id": "console.example"}, "challenge": "AAAA"})
    unknown = await desk.enter(stranger, {})
    assert refused.status_code == unknown.status_code == 403
    assert refused.json() == unknown.json()
    assert refused.json()["code"] == "PASSKEY_REFUSED"
    assert "set-cookie" not in refused.headers
    assert (await desk.enter(device, {})).status_code == 200


@pytest.mark.parametrize(
    "bent",
    [
        {"origin": "https://book.example"},
        {"rp_id": "book.example"},
        {"kind": "webauthn.get"},
        {"challenge": to_base64url(bytes(32))},
        {"flags": UP},
    ],
    ids=str,
)
async def test_bent_registration_keeps_no_passkey_and_leaves_the_invitation_good(
    desk: Desk, bent: dict[str, Any]
) -> None:
    _, secret = await desk.invite("田中", MANAGER)
    start = await desk.ask("POST", "passkeys/challenge", {"invite": secret})
    credential = desk.authenticator.create(start.json()["options"], **bent)
    body = {"invite": secret, "credential": credential}
    answer = await desk.ask("POST", "passkeys/register", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "PASSKEY_REFUSED")
    with desk.town.service.database.read() as session:
        assert session.query(Passkey).count() == 0
        assert session.query(StaffInvite).count() == 1
    assert (await desk.join(secret, desk.authenticator)).status_code == 200


async def test_assertion_is_good_once(desk: Desk) -> None:
    _, _, device = await desk.employ("田中", "manager")
    start = await desk.ask("POST", "session/challenge", jar={})
    body = {"credential": device.get(start.json()["options"])}
    assert (await desk.ask("POST", "session/assert", body, jar={})).status_code == 200
    assert (await desk.ask("POST", "session/assert", body, jar={})).status_code == 403


async def test_challenge_is_used_up_by_a_failure_and_ends_after_five_minutes(desk: Desk) -> None:
    _, _, device = await desk.employ("田中", "manager")
    options = (await desk.ask("POST", "session/challenge")).json()["options"]
    bad = {"credential": device.get(options, user_handle=bytes(32))}
    good = {"credential": device.get(options)}
    assert (await desk.ask("POST", "session/assert", bad, jar={})).status_code == 403
    assert (await desk.ask("POST", "session/assert", good, jar={})).status_code == 403
    options = (await desk.ask("POST", "session/challenge")).json()["options"]
    desk.town.clock.now += passkeys.LIVES_S
    late = {"credential": device.get(options)}
    assert (await desk.ask("POST", "session/assert", late, jar={})).status_code == 403
    await desk.ask("POST", "session/challenge")
    with desk.town.service.database.read() as session:
        assert session.query(PasskeyChallenge).count() == 1  # old ones were swept


async def test_challenge_of_a_registration_signs_nobody_in_nor_the_other_way(desk: Desk) -> None:
    _, jar, device = await desk.employ("田中", "manager")
    start = await desk.ask("POST", "passkeys/challenge", {}, jar=jar)
    options = start.json()["options"]
    assertion = device.get({"rpId": options["rp"]["id"], "challenge": options["challenge"]})
    body = {"credential": assertion}
    assert (await desk.ask("POST", "session/assert", body, jar={})).status_code == 403
    asked = (await desk.ask("POST", "session/challenge")).json()["options"]
    told = options | {"challenge": asked["challenge"]}
    body = {"credential": desk.authenticator.create(told)}
    assert (await desk.ask("POST", "passkeys/register", body, jar=jar)).status_code == 403


async def test_registration_begun_by_one_is_not_finished_by_another(desk: Desk) -> None:
    _, mine, _ = await desk.employ("一", "manager")
    _, theirs, _ = await desk.employ("二", "clerk")
    start = await desk.ask("POST", "passkeys/challenge", {}, jar=mine)
    body = {"credential": desk.authenticator.create(start.json()["options"])}
    assert (await desk.ask("POST", "passkeys/register", body, jar=theirs)).status_code == 403


async def test_copied_authenticator_is_refused_and_noted(desk: Desk) -> None:
    _, jar, device = await desk.employ("田中", "manager")
    assert (await desk.enter(device, {}, sign_count=9)).status_code == 200
    assert (await desk.enter(device, {}, sign_count=9)).status_code == 403
    assert (await desk.enter(device, {}, sign_count=3)).status_code == 403
    noted = (await desk.ask("GET", "actions", jar=jar)).json()["actions"]
    assert [line["action"] for line in noted[:2]] == ["passkey.counter-ran-back"] * 2
    assert (await desk.enter(device, {}, sign_count=10)).status_code == 200


async def test_synchronised_passkey_counts_nothing_and_is_shown_as_such(desk: Desk) -> None:
    _, secret = await desk.invite("田中", MANAGER)
    device = desk.authenticator
    device.counts = False
    joined = await desk.join(secret, device)
    assert joined.json()["passkeys"][0]["backed_up"] is True
    for _ in range(2):
        assert (await desk.enter(device, {})).status_code == 200


async def test_several_passkeys_one_is_taken_off_and_the_last_stays(desk: Desk) -> None:
    _, jar, first = await desk.employ("田中", "manager")
    second = desk.authenticator
    desk.town.clock.now += 1  # they are listed by age
    options = (await desk.ask("POST", "passkeys/challenge", {}, jar=jar)).json()["options"]
    assert len(options["excludeCredentials"]) == 1
    body = {"credential": second.create(options), "label": "電話"}
    told = (await desk.ask("POST", "passkeys/register", body, jar=jar)).json()
    assert [row["label"] for row in told["passkeys"]] == ["窓口のPC", "電話"]
    gone, left = (row["passkey_id"] for row in told["passkeys"])
    assert (await desk.ask("DELETE", f"passkeys/{gone}", jar=jar)).status_code == 204
    assert (await desk.enter(first, {})).status_code == 403
    assert (await desk.enter(second, {})).status_code == 200
    last = await desk.ask("DELETE", f"passkeys/{left}", jar=jar)
    assert last.json()["code"] == "LAST_PASSKEY"
    unknown = await desk.ask("DELETE", f"passkeys/{'0' * 24}", jar=jar)
    assert unknown.json()["code"] == "UNKNOWN_PASSKEY"


async def test_passkey_of_another_member_is_not_taken_off(desk: Desk) -> None:
    _, mine, _ = await desk.employ("一", "manager")
    _, theirs, _ = await desk.employ("二", "manager")
    other = (await desk.ask("GET", "me", jar=theirs)).json()["passkeys"][0]["passkey_id"]
    answer = await desk.ask("DELETE", f"passkeys/{other}", jar=mine)
    assert answer.json()["code"] == "UNKNOWN_PASSKEY"


async def test_old_session_adds_no_passkey(desk: Desk) -> None:
    _, jar, _ = await desk.employ("田中", "manager")
    desk.town.clock.now += 901
    start = await desk.ask("POST", "passkeys/challenge", {}, jar=jar)
    assert (start.status_code, start.json()["code"]) == (403, "SIGN_IN_AGAIN")


async def test_same_passkey_is_not_kept_twice(desk: Desk) -> None:
    _, jar, device = await desk.employ("田中", "manager")
    known = device.passkeys[0].credential_id
    options = (await desk.ask("POST", "passkeys/challenge", {}, jar=jar)).json()["options"]
    body = {"credential": desk.authenticator.create(options, credential_id=known)}
    answer = await desk.ask("POST", "passkeys/register", body, jar=jar)
    assert answer.json()["code"] == "PASSKEY_REFUSED"


@pytest.mark.parametrize(
    "response",
    [
        {"clientDataJSON": "", "signature": "AA", "authenticatorData": "AA", "userHandle": "AA"},
        {"clientDataJSON": "bnVsbA"},
        {"clientDataJSON": "W10", "authenticatorData": "", "signature": ""},
        {"clientDataJSON": "eyJjaGFsbGVuZ2UiOjF9", "attestationObject": "oA"},
        {"clientDataJSON": "__8", "attestationObject": "__8"},
    ],
    ids=lambda response: response["clientDataJSON"],
)
async def test_garbage_of_an_authenticator_is_refused_and_is_no_fault(
    desk: Desk, response: dict[str, str]
) -> None:
    _, jar, _ = await desk.employ("田中", "manager")
    for name in ("AA", "A"):
        credential = {"id": name, "rawId": name, "type": "public-key", "response": response}
        for path in ("session/assert", "passkeys/register"):
            answer = await desk.ask("POST", path, {"credential": credential}, jar=jar)
            assert answer.status_code == 403, (path, answer.text)


async def test_garbage_around_a_true_challenge_is_refused_and_is_no_fault(desk: Desk) -> None:
    _, jar, device = await desk.employ("田中", "manager")
    for name in ("attestationObject", "clientDataJSON", "transports"):
        options = (await desk.ask("POST", "passkeys/challenge", {}, jar=jar)).json()["options"]
        credential = desk.authenticator.create(options)
        credential["response"][name] = "oA"
        answer = await desk.ask("POST", "passkeys/register", {"credential": credential}, jar=jar)
        assert answer.status_code in (403, 422), answer.text
    for name in ("authenticatorData", "signature", "userHandle", "clientDataJSON"):
        options = (await desk.ask("POST", "session/challenge")).json()["options"]
        credential = device.get(options)
        credential["response"][name] = credential["response"][name][:8]
        answer = await desk.ask("POST", "session/assert", {"credential": credential}, jar={})
        assert answer.status_code == 403, answer.text


async def test_console_cookie_opens_nothing_on_the_machine_site(desk: Desk) -> None:
    _, jar, _ = await desk.employ("田中", "manager")
    headers = {"Cookie": f"{DESK.cookie}={jar[DESK.cookie]}"}
    for host in ("http://town", "https://book.example"):
        answer = await desk.client.get(f"{host}/v1/staff/people", headers=headers)
        assert answer.status_code in (401, 404)


async def test_page_of_another_origin_changes_nothing(desk: Desk) -> None:
    _, jar, _ = await desk.employ("田中", "manager")
    headers = {"Origin": "https://book.example", "Cookie": f"{DESK.cookie}={jar[DESK.cookie]}"}
    for path in ("session/end", "people", "session/assert", "passkeys/register"):
        url = f"{CONSOLE}/v1/staff/{path}"
        answer = await desk.client.post(url, headers=headers, json={})
        assert answer.json()["code"] == "OTHER_ORIGIN"
