"""Bookings over HTTP: residents see and change what is theirs, staff what is in their facility."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud.booking import places, webhooks
from cloud.booking.payments import checkout_order
from cloud.models import Action, Booking, Room
from cloud.people.actions import check
from tests.cloud.booking.support import SECRET, at, live_keys, put_policy
from tests.cloud.booking.web import Sites, open_sites
from tests.cloud.support import Town

LANGUAGES = {"code", "ja", "ja-simple", "en"}


@pytest.fixture
async def sites(town: Town) -> AsyncIterator[Sites]:
    """A facility with rules (room-1, room-2) and another one, `annex` (room-3)."""
    town.clock.now = at(-24)
    put_policy(town)
    with town.service.database.write() as session:
        places.add_facility(session, "annex", {"ja": "別館"}, town.clock())
        session.get_one(Room, ("misaki", "room-3")).facility_id = "annex"
    put_policy(town, "annex")
    async with open_sites(town) as opened:
        yield opened


def wish(start: float = 10, hours: float = 2, room_id: str = "room-1", **more: Any) -> Any:
    use = {"room_id": room_id, "starts_at": at(start), "ends_at": at(start + hours), "people": 5}
    return use | more


def form(start: float = 10, hours: float = 2, room_id: str = "room-1", **more: Any) -> Any:
    return wish(start, hours, room_id, holder_name="折り紙の会", **more)


async def test_anyone_sees_facilities_and_free_times_and_no_names(sites: Sites) -> None:
    a = await sites.resident("a")
    await a.post("/v1/bookings", form(holder_contact="090-secret"))
    houses = await sites.machine.get("/v1/facilities")
    free = await sites.machine.get(
        "/v1/free", params={"day": "2026-12-07", "days": 7, "minutes": 60, "facility": "main"}
    )
    assert [h["facility_id"] for h in houses.json()] == ["annex", "main"]
    rooms = houses.json()[1]["rooms"]
    assert [r["room_id"] for r in rooms] == ["room-1", "room-2"]
    assert rooms[0]["rules"]["fees"]["base"]["resident"] == 300
    assert "approval" not in rooms[0]["rules"]
    first = free.json()[0]["days"][0]
    assert [w["starts_at"] for w in first["windows"]] == [at(9), at(12.5)]
    assert at(12.5) in first["starts"] and at(10) not in first["starts"]
    assert "折り紙" not in free.text + houses.text and "090" not in free.text + houses.text


@pytest.mark.parametrize(
    "query",
    ["day=x", "day=2026-02-31", "day=2026-12-07&days=32", "day=2026-12-07&minutes=1", "", "day="],
)
async def test_a_search_that_makes_no_sense_is_refused(sites: Sites, query: str) -> None:
    answer = await sites.machine.get(f"/v1/free?{query}")
    assert (answer.status_code, set(answer.json())) == (422, LANGUAGES)


async def test_quote_hold_book_pay_key(sites: Sites) -> None:
    """The whole way of a resident, with an online payment."""
    a = await sites.resident("a")
    quoted = (await a.post("/v1/quote", wish())).json()
    assert (quoted["yen"], quoted["methods"], quoted["decided_by"]) == (
        600,
        ["counter", "hosted"],
        "auto",
    )
    held = (await a.post("/v1/holds", wish())).json()
    assert (held["status"], held["payment"]["state"]) == ("held", "pending")
    body = {"hold_id": held["booking_id"], "holder_name": "花子", "people": 5, "method": "hosted"}
    booked = (await a.post("/v1/bookings", body)).json()
    assert booked["booking_id"] == held["booking_id"] and "key_link" not in booked
    path = f"/v1/my/bookings/{booked['booking_id']}"
    early = await a.post(f"{path}/key-link")
    assert (early.status_code, early.json()["code"]) == (409, "NOT_CONFIRMED")
    order = order_of(booked["redirect_url"], sites.town.clock())
    answer = await tell(sites, "e1", "payment.succeeded", order["reference"], 600)
    assert answer.json() == {"taken": True}
    again = await tell(sites, "e1", "payment.succeeded", order["reference"], 600)
    assert again.json() == {"taken": False}
    mine = (await a.get(path)).json()
    assert (mine["status"], mine["keyed"], mine["payment"]["state"]) == (
        "confirmed",
        True,
        "settled",
    )
    link = (await a.post(f"{path}/key-link")).json()["key_link"]
    assert link.startswith("https://key.example/open#")
    assert live_keys(sites.town, booked["booking_id"]) == 1


def order_of(url: str, now: int) -> dict[str, str]:
    """What the payment service reads in the address."""
    order = checkout_order(urlsplit(url).query, SECRET, now)
    assert order is not None and order["return_url"] == "https://book.test/my/"
    assert parse_qs(urlsplit(url).query)["amount_yen"] == [order["amount_yen"]]
    return order


async def tell(
    sites: Sites, event_id: str, kind: str, reference: str, yen: int, secret: bytes = SECRET
) -> Any:
    body = {"event_id": event_id, "type": kind, "reference": reference, "amount_yen": yen}
    raw = json.dumps(body).encode()
    headers = {webhooks.HEADER: webhooks.sign(secret, raw, sites.town.clock())}
    return await sites.machine.post("/v1/payments/hosted", content=raw, headers=headers)


async def test_forged_late_and_strange_messages_of_payments_do_nothing(sites: Sites) -> None:
    a = await sites.resident("a")
    booked = (await a.post("/v1/bookings", form(method="hosted"))).json()
    reference = order_of(booked["redirect_url"], sites.town.clock())["reference"]
    forged = await tell(sites, "e", "payment.succeeded", reference, 600, b"x" * 32)
    unsigned = await sites.machine.post("/v1/payments/hosted", json={})
    unknown = await tell(sites, "e", "payment.succeeded", "stranger", 600)
    strange = await tell(sites, "e", "payment.invented", reference, 600)
    assert [r.status_code for r in (forged, unsigned, unknown, strange)] == [401, 401, 404, 422]
    path = f"/v1/my/bookings/{booked['booking_id']}"
    assert (await a.get(path)).json()["status"] == "held"
    on_site = await a.post("/v1/payments/hosted", {})
    assert on_site.status_code in (404, 405)  # it is no part of the booking site


async def test_change_cancel_and_holders(sites: Sites) -> None:
    a = await sites.resident("a")
    booked = (await a.post("/v1/bookings", form())).json()
    path = f"/v1/my/bookings/{booked['booking_id']}"
    free = await a.get(
        "/v1/free", day="2026-12-07", minutes=60, room="room-1", booking=booked["booking_id"]
    )
    assert at(10) in free.json()[0]["days"][0]["starts"]
    stale = await a.post(f"{path}/change", wish_change(14) | {"version": 99})
    assert stale.json()["code"] == "CHANGED_MEANWHILE"
    moved = (await a.post(f"{path}/change", wish_change(14))).json()
    assert (moved["starts_at"], moved["version"]) == (at(14), booked["version"] + 1)
    added = await a.post(f"{path}/holders", {"name": "太郎"})
    listed = (await a.get(f"{path}/holders")).json()
    assert [h["name"] for h in listed["holders"]] == ["太郎"] and listed["most"] == 9
    gone = await a.call("DELETE", f"{path}/holders/{added.json()['holder_id']}")
    assert (added.status_code, gone.status_code) == (201, 204)
    cancelled = (await a.post(f"{path}/cancel")).json()
    assert (cancelled["status"], cancelled["payment"]["state"]) == ("cancelled", "void")
    assert [b["status"] for b in (await a.get("/v1/my/bookings")).json()] == ["cancelled"]


def wish_change(start: float, hours: float = 2) -> dict[str, int]:
    return {"starts_at": at(start), "ends_at": at(start + hours)}


async def test_a_hold_that_is_let_go_frees_the_room_and_leaves_no_booking(sites: Sites) -> None:
    a, b = await sites.resident("a"), await sites.resident("b")
    held = (await a.post("/v1/holds", wish())).json()["booking_id"]
    assert [m["status"] for m in (await a.get("/v1/my/bookings")).json()] == ["held"]
    assert (await a.post(f"/v1/my/bookings/{held}/cancel")).json()["status"] == "expired"
    assert (await a.get("/v1/my/bookings")).json() == []
    assert (await b.post("/v1/bookings", form())).status_code == 201


async def test_a_booking_of_somebody_else_is_answered_as_if_there_were_none(sites: Sites) -> None:
    a, b = await sites.resident("a"), await sites.resident("b")
    mine = (await a.post("/v1/bookings", form())).json()["booking_id"]
    held = (await a.post("/v1/holds", wish(14))).json()["booking_id"]
    nobody = sites.machine
    path = f"/v1/my/bookings/{mine}"
    tries: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("POST", f"{path}/change", wish_change(16)),
        ("POST", f"{path}/cancel", {}),
        ("POST", f"{path}/pay", {}),
        ("POST", f"{path}/key-link", {}),
        ("GET", f"{path}/holders", None),
        ("POST", f"{path}/holders", {"name": "x"}),
        ("DELETE", f"{path}/holders/x", None),
        ("POST", "/v1/bookings", {"hold_id": held, "holder_name": "x"}),
        ("GET", f"/v1/free?day=2026-12-07&booking={mine}", None),
    ]
    for method, where, body in tries:
        theirs = await b.call(method, where, body)
        unknown = await b.call(
            method, where.replace(mine, "nothere"), _without(body, held, "nothere")
        )
        assert theirs.status_code == unknown.status_code == 404, where
        assert theirs.json() == unknown.json(), where
        without = await nobody.request(method, where, json=body)
        assert (without.status_code, without.json()["code"]) == (401, "NOT_SIGNED_IN"), where
    assert (await b.get("/v1/my/bookings")).json() == []
    assert (await a.get(path)).json()["status"] == "confirmed"


def _without(body: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(body).replace(old, new)) if body is not None else None


async def test_a_room_for_anybody_is_booked_without_an_account_and_others_are_not(
    sites: Sites,
) -> None:
    body = {k: v for k, v in form().items() if k != "people"}
    opened = await sites.machine.post("/v1/bookings", json=body | {"people": 2})
    assert (opened.status_code, "key_link" in opened.json()) == (201, True)
    put_policy(sites.town, assurance="aal1")
    closed = await sites.machine.post("/v1/bookings", json=form(14))
    assert (closed.status_code, closed.json()["code"]) == (401, "NOT_SIGNED_IN")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"holder_name": "x"},
        {"holder_name": "x", "room_id": "room-1", "starts_at": 1},
        form(hold_id="x"),
        form(method="gold"),
        form(people=0),
        form(category="royal"),
        form(extra=1),
        form() | {"starts_at": -1},
        form() | {"ends_at": 10**30},
        form() | {"holder_name": " "},
    ],
)
async def test_garbage_gets_a_reason_in_three_tongues(sites: Sites, body: Any) -> None:
    a = await sites.resident("a")
    answer = await a.post("/v1/bookings", body)
    assert (answer.status_code, set(answer.json())) == (422, LANGUAGES)


# --- the desk ---


async def test_the_clerks_way_with_what_the_rules_left(sites: Sites) -> None:
    a, clerk = await sites.resident("a"), await sites.staff("c", "clerk", "main")
    waiting = (await a.post("/v1/bookings", form(people=40))).json()
    assert waiting["status"] == "pending"
    assert [r["code"] for r in waiting["reasons"]] == ["CLERK_MANY_PEOPLE"]
    assert set(waiting["reasons"][0]) == LANGUAGES
    (row,) = (await clerk.get("/v1/staff/waiting")).json()
    path = f"/v1/staff/bookings/{row['booking_id']}"
    yes = (await clerk.post(f"{path}/approve", {"version": row["version"]})).json()
    assert (yes["status"], yes["decided_by"], yes["keyed"]) == ("confirmed", "staff:c", False)
    paid = (await clerk.post(f"{path}/paid", {"note": "現金"})).json()
    assert (paid["payment"]["state"], paid["keyed"]) == ("settled", True)
    whole = (await clerk.get(path)).json()
    assert [(e["kind"], e["yen"], e["taken_by"]) for e in whole["entries"]] == [
        ("paid", 600, "staff:c")
    ]
    with sites.town.service.database.read() as session:
        names = [row.action for row in session.query(Action).order_by(Action.seq)]
        assert check(session).broken_at is None
    assert names == ["booking.approve", "booking.paid"]


async def test_the_desk_books_moves_and_cancels_for_somebody(sites: Sites) -> None:
    clerk = await sites.staff("c", "clerk")
    body = form(9, channel="phone", holder_contact="0120")
    made = (await clerk.post("/v1/staff/bookings", body)).json()
    assert (made["channel"], made["booked_by"], made["status"]) == (
        "phone",
        "staff:c",
        "confirmed",
    )
    path = f"/v1/staff/bookings/{made['booking_id']}"
    moved = await clerk.post(f"{path}/change", wish_change(14) | {"room_id": "room-3"})
    assert moved.json()["facility_id"] == "annex"
    found = (await clerk.get("/v1/staff/search", q="折り紙")).json()
    day = (await clerk.get("/v1/staff/day", day="2026-12-07", facility="annex")).json()
    assert [b["booking_id"] for b in found] == [b["booking_id"] for b in day]
    nothing = (await clerk.get("/v1/staff/search", q="%")).json()
    assert nothing == []
    gone = (await clerk.post(f"{path}/cancel", {"note": "雪"})).json()
    assert (gone["status"], gone["payment"]["state"]) == ("cancelled", "void")


async def test_another_facility_is_answered_as_if_there_were_none(sites: Sites) -> None:
    a, clerk = await sites.resident("a"), await sites.staff("c", "clerk", "annex")
    mine = (await a.post("/v1/bookings", form(people=40))).json()["booking_id"]
    path = f"/v1/staff/bookings/{mine}"
    for where, body in (
        ("approve", {}),
        ("decline", {"note": "x"}),
        ("change", wish_change(14)),
        ("cancel", {}),
        ("paid", {}),
        ("refunded", {}),
        ("waive", {"note": "x"}),
        ("trust", {"pay_later": True}),
        ("holders", {"name": "x"}),
    ):
        theirs = await clerk.post(f"{path}/{where}", body)
        unknown = await clerk.post(f"/v1/staff/bookings/nothere/{where}", body)
        assert theirs.status_code == unknown.status_code == 404, where
        assert theirs.json() == unknown.json(), where
    assert (await clerk.get(path)).status_code == 404
    assert (await clerk.get("/v1/staff/waiting")).json() == []
    assert (await clerk.get("/v1/staff/bookings")).json() == []
    assert (await clerk.get("/v1/staff/search", q="折")).json() == []
    assert (await clerk.post("/v1/staff/bookings", form(16))).json()["code"] == "UNKNOWN_ROOM"
    assert (await clerk.get("/v1/staff/totals", month="2026-12")).json() == []
    days = {"facility_id": "main", "days": ["2026-12-29"]}
    assert (await clerk.post("/v1/staff/closed-days", days)).json()["code"] == "UNKNOWN_FACILITY"
    with sites.town.service.database.read() as session:
        assert session.query(Action).count() == 0
        assert session.get_one(Booking, mine).status == "pending"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("clerk", {"day", "approve", "book", "paid", "closed", "group", "totals"}),
        ("manager", {"day", "approve", "book", "paid", "closed", "group", "totals", "policy"}),
        ("auditor", {"day", "totals"}),
        ("technician", set()),
    ],
)
async def test_each_role_may_what_it_needs_and_no_more(
    sites: Sites, role: str, allowed: set[str]
) -> None:
    who = await sites.staff("s", role)
    a = await sites.resident("a")
    mine = (await a.post("/v1/bookings", form(people=40))).json()["booking_id"]
    path = f"/v1/staff/bookings/{mine}"
    answers = {
        "day": await who.get("/v1/staff/day", day="2026-12-07"),
        "approve": await who.post(f"{path}/approve"),
        "paid": await who.post(f"{path}/paid"),
        "book": await who.post("/v1/staff/bookings", form(16)),
        "closed": await who.post(
            "/v1/staff/closed-days", {"facility_id": "main", "days": ["2027-01-01"]}
        ),
        "group": await who.post("/v1/staff/groups", {"name": "会", "kind": "welfare"}),
        "totals": await who.get("/v1/staff/totals", month="2026-12"),
        "policy": await who.call("PUT", "/v1/staff/facilities/main/policy", {"hours": {}}),
    }
    done = {name for name, answer in answers.items() if answer.is_success}
    assert done == allowed
    refused = {answers[name].json()["code"] for name in set(answers) - done}
    assert refused <= {"FORBIDDEN"}


async def test_groups_evidence_and_members(sites: Sites) -> None:
    a, clerk = await sites.resident("a"), await sites.staff("c", "clerk")
    new = {"name": "点訳の会", "kind": "welfare", "contact": "0120"}
    group = (await clerk.post("/v1/staff/groups", new)).json()
    path = f"/v1/staff/groups/{group['group_id']}"
    assert (await clerk.post("/v1/staff/groups", new)).json()["code"] == "EXISTS_ALREADY"
    shown = {"kind": "registration", "shown": "登録証 第3号", "expires_at": at(24 * 300)}
    told = (await clerk.post(f"{path}/evidence", shown)).json()
    assert (told["evidence"][0]["checked_by"], told["evidence"][0]["counts_now"]) == (
        "staff:c",
        True,
    )
    stranger = await clerk.post(f"{path}/members", {"number": "nobody"})
    member = await clerk.post(f"{path}/members", {"number": " A "})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "UNKNOWN_NUMBER")
    assert [each["account_id"] for each in member.json()["members"]] == ["a"]
    mine = (await a.get("/v1/my/groups")).json()
    assert [(g["name"], g["evidence_until"]) for g in mine] == [("点訳の会", at(24 * 300))]
    quoted = (await a.post("/v1/quote", wish(group_id=group["group_id"]))).json()
    assert (quoted["yen"], quoted["methods"], [r["code"] for r in quoted["reasons"]]) == (
        0,
        ["exempt"],
        ["CLERK_FIRST_USE"],
    )
    evidence_id = told["evidence"][0]["evidence_id"]
    gone = (await clerk.post(f"{path}/evidence/{evidence_id}/withdraw")).json()
    assert gone["evidence"][0]["counts_now"] is False
    assert (await a.post("/v1/quote", wish(group_id=group["group_id"]))).json()["yen"] == 600
    changed = await clerk.call("PATCH", path, {"active": False, "version": 99})
    assert changed.json()["code"] == "CHANGED_MEANWHILE"
    assert (await clerk.call("PATCH", path, {"active": False})).json()["active"] is False
    assert (await clerk.call("DELETE", f"{path}/members/a")).status_code == 204


async def test_one_facilitys_clerk_registers_no_group_of_the_town(sites: Sites) -> None:
    clerk = await sites.staff("c", "clerk", "main")
    answer = await clerk.post("/v1/staff/groups", {"name": "会", "kind": "welfare"})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_policies_and_closed_days_over_http(sites: Sites) -> None:
    manager = await sites.staff("m", "manager")
    shown = (await manager.get("/v1/staff/facilities/main/policy")).json()
    assert (shown["version"], shown["policy"]["slot_minutes"]) == (1, 30)
    wrong = shown["policy"] | {"slot_minutes": 31}
    checked = await manager.post("/v1/staff/policy/check", wrong)
    assert (checked.status_code, checked.json()["code"]) == (422, "BAD_POLICY")
    strange = shown["policy"] | {"rooms": {"room-3": {"notice_minutes": 60}}}
    put = await manager.call("PUT", "/v1/staff/facilities/main/policy", strange)
    assert "room-3" in put.json()["ja"]
    good = shown["policy"] | {"cleaning_minutes": 0}
    for _ in range(2):
        put = await manager.call("PUT", "/v1/staff/facilities/main/policy", good)
        assert put.json()["version"] == 2
    days = {"facility_id": "main", "days": ["2026-12-29", "2026-12-30"], "reason": "年末"}
    assert (await manager.post("/v1/staff/closed-days", days)).json() == {"closed": 2}
    bad = days | {"days": ["2026-02-30"]}
    assert (await manager.post("/v1/staff/closed-days", bad)).status_code == 422
    listed = await manager.get("/v1/staff/closed-days", facility="main")
    assert [d["reason"] for d in listed.json()] == ["年末", "年末"]
    a = await sites.resident("a")
    closed = await a.post("/v1/bookings", form(24 * 22 + 10))
    assert closed.json()["code"] == "CLOSED_DAY"
    assert (await manager.post("/v1/staff/closed-days/remove", days)).json() == {"opened": 2}


async def test_facilities_and_rooms_over_http(sites: Sites) -> None:
    manager, clerk = await sites.staff("m", "manager"), await sites.staff("c", "clerk")
    facts = {"name": {"ja": "文化会館", "en": "Hall"}, "phone": "0120", "assurance": "aal2"}
    made = await manager.call("PUT", "/v1/staff/facilities/hall", facts)
    assert made.status_code == 200
    room = {"facility_id": "hall", "capacity": 8, "name": {"en": "Music room"}}
    assert (await manager.call("PUT", "/v1/staff/rooms/room-2", room)).status_code == 200
    assert (await clerk.call("PUT", "/v1/staff/rooms/room-2", room)).status_code == 403
    houses = {h["facility_id"]: h for h in (await sites.machine.get("/v1/facilities")).json()}
    hall = houses["hall"]
    assert (hall["name"]["ja-simple"], hall["rooms"][0]["capacity"]) == ("文化会館", 8)
    assert (hall["rooms"][0]["name"]["en"], hall["rooms"][0]["assurance"]) == (
        "Music room",
        "aal2",
    )


async def test_totals_as_a_spreadsheet(sites: Sites) -> None:
    clerk = await sites.staff("c", "clerk")
    await clerk.post("/v1/staff/bookings", form())
    told = await clerk.get("/v1/staff/totals", month="2026-12", form="csv")
    assert told.headers["content-type"].startswith("text/csv")
    assert told.text.startswith("\ufefffacility_id,month,uses")
    assert "main,2026-12,1," in told.text


async def test_the_old_interface_goes_on_for_rooms_without_rules(sites: Sites) -> None:
    with sites.town.service.database.write() as session:
        places.facility_of(session, "main").policy = None
    use = {k: v for k, v in form(3.2).items() if k != "people"}
    answer = await sites.machine.post("/v1/bookings", json=use)
    told = answer.json()
    assert answer.status_code == 201 and told["status"] == "confirmed" and told["keyed"]
    assert {"booking_id", "room_id", "starts_at", "ends_at", "key_link", "key_from"} <= set(told)


async def test_an_account_with_bookings_to_come_is_not_deleted_and_then_forgotten(
    sites: Sites,
) -> None:
    a = await sites.resident("a")
    mine = (await a.post("/v1/bookings", form(holder_contact="0120"))).json()["booking_id"]
    kept = await a.post("/v1/me/delete", {"confirm": True})
    assert (kept.status_code, kept.json()["code"]) == (409, "BOOKINGS_OPEN")
    await a.post(f"/v1/my/bookings/{mine}/cancel")
    assert (await a.post("/v1/me/delete", {"confirm": True})).status_code == 204
    with sites.town.service.database.read() as session:
        row = session.get_one(Booking, mine)
    assert (row.account_id, row.holder_name, row.holder_contact, row.booked_by) == (
        None,
        "",
        "",
        "",
    )
