"""Bookings by command, by calendar, after an upgrade: rules meet what was there before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cloud import bookings
from cloud.booking import lifecycle, policy
from cloud.booking.payment_file import open_providers
from cloud.booking.sweeping import sweep_once
from cloud.models import Booking, Facility
from kannuki.errors import InputError
from tests.cloud.booking.support import at, booker, live_keys, office, put_policy, row_of, wanted
from tests.cloud.support import FIRST, START, Town

ON_BOTH_DATABASES = True
EXAMPLE = Path(policy.__file__).with_name("policy.example.json")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`kannuki cloud ...` on the town's own database."""
    from kannuki.cli import run

    monkeypatch.setattr("cloud.clock.time.time", lambda: float(town.clock()))
    url = town.service.database.engine.url.render_as_string(hide_password=False)
    options = ("--database", url, "--keys-dir", str(town.folder / "keys"), "--town", "misaki")

    def call(*words: object, bare: bool = False) -> tuple[int, str, str]:
        code = run(["cloud", *map(str, words), *(() if bare else options)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_a_policy_is_checked_applied_and_shown(town: Town, command: Run, tmp_path: Path) -> None:
    assert command("policy", "check", EXAMPLE, bare=True)[0] == 0
    assert "lent as it comes" in command("policy", "show")[1]
    code, out, _ = command("policy", "apply", EXAMPLE, "--json")
    assert (code, json.loads(out)["version"], json.loads(out)["changed"]) == (0, 1, True)
    again = json.loads(command("policy", "apply", EXAMPLE, "--json")[1])
    assert (again["version"], again["changed"]) == (1, False)
    shown = json.loads(command("policy", "show", "--json")[1])["policy"]
    given = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert shown["fees"]["base"] == given["fees"]["base"] and shown["hold_minutes"] == 15
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(given | {"slot_minutes": 7}), encoding="utf-8")
    code, _, err = command("policy", "apply", wrong)
    assert (code, "whole number of slots" in err) == (2, True)
    assert command("policy", "apply", EXAMPLE, "--facility", "nowhere")[0] == 2
    assert command("policy", "check", tmp_path / "none.json", bare=True)[0] == 2


def test_facilities_closed_days_and_totals_by_command(town: Town, command: Run) -> None:
    words = ("--name", "別館", "--name-en", "Annex", "--assurance", "aal1", "--room", "room-3")
    told = json.loads(command("facility", "annex", *words, "--json")[1])
    assert (told["name"]["en"], told["assurance"]) == ("Annex", "aal1")
    assert [room["room_id"] for room in told["rooms"]] == ["room-3"]
    closed = command("closed-days", "2026-12-29/2027-01-03", "--reason", "年末年始", "--json")
    assert len(json.loads(closed[1])["days"]) == 6
    town.clock.now = at(-24)
    put_policy(town)
    from cloud.problems import Problem

    with pytest.raises(Problem, match="CLOSED_DAY"), town.service.database.write() as session:
        wish = wanted(24 * 22 + 10)
        lifecycle.hold(session, office(town), booker(), wish, town.clock())
    assert command("closed-days", "2026-12-29/2027-01-03", "--open")[0] == 0
    assert command("closed-days", "tomorrow")[0] == 2
    with town.service.database.write() as session:
        asked = lifecycle.Asked("x")
        lifecycle.book(session, office(town), booker(), wanted(), asked, town.clock())
    (line,) = json.loads(command("totals", "2026-12", "--json")[1])
    assert (line["facility_id"], line["uses"], line["counter_yen"]) == ("main", 1, 600)
    assert command("totals", "2026-12", "--csv")[1].startswith("facility_id,month")
    assert command("totals", "december")[0] == 2


def test_calendars_are_settled_elsewhere_and_keep_the_cleaning_where_it_is_free(
    town: Town,
) -> None:
    put_policy(town, cleaning_minutes=60, setup_minutes=30)
    report = town.take(FIRST)
    assert (report.counts["refused"], report.counts["new"]) == (0, 21)
    assert town.take(FIRST).counts["unchanged"] == 21
    with town.service.database.read() as session:
        rows = session.query(Booking).filter(Booking.status == "confirmed").all()
    assert {row.payment_state for row in rows} == {"external"}
    assert {row.channel for row in rows} == {"calendar"}
    widths = {(row.starts_at - row.held_from, row.held_to - row.ends_at) for row in rows}
    assert (1800, 3600) in widths
    first = next(row for row in rows if row.starts_at == START and row.room_id == "room-1")
    assert live_keys(town, first.booking_id) == 1
    with town.service.database.write() as session:
        bookings.cancel(session, session.merge(first), town.clock())
    assert row_of(town, first.booking_id).payment_state == "external"


def test_the_job_ends_holds_that_are_over(town: Town) -> None:
    town.clock.now = at(-24)
    put_policy(town)
    with town.service.database.write() as session:
        held = lifecycle.hold(session, office(town), booker(), wanted(), town.clock())
    assert sweep_once(town.service) == 0
    town.clock.now += 15 * 60
    assert (sweep_once(town.service), sweep_once(town.service)) == (1, 0)
    assert row_of(town, held.booking_id).status == "expired"


@pytest.mark.parametrize(
    "change",
    [
        "held_from = starts_at + 1",
        "held_to = ends_at - 1",
        "held_from = starts_at - 9999999",
        "status = 'held', hold_until = NULL",
        "status = 'sold'",
        "payment_state = 'paid'",
        "payment_method = 'card'",
        "fee_yen = -1",
        "refund_due_yen = 1",
        "room_id = NULL",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(town: Town, change: str) -> None:
    with town.service.database.write() as session:
        bookings.create(
            session,
            town.service.random_bytes,
            town.clock(),
            room_id="room-1",
            starts_at=START,
            ends_at=START + 3600,
            holder_name="x",
        )
    with pytest.raises(IntegrityError), town.service.database.write() as session:
        session.execute(text(f"UPDATE bookings SET {change} WHERE town = 'misaki'"))


def test_another_town_has_its_own_facilities_and_bookings(town: Town) -> None:
    town.service.database.whole.add_town("nagi", "なぎ", START)
    other = town.service.database.whole.of("nagi")
    with other.write() as session:
        room = bookings.add_room(session, "和室", None)
        assert room.facility_id == "main"
    put_policy(town)
    with other.read() as session:
        (house,) = session.query(Facility).all()
    assert (house.town, house.policy) == ("nagi", None)


def test_the_payment_services_file_is_secret_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "payments.json"
    good = {"checkout_url": "https://pay.example/c", "merchant": "m", "secrets": ["s" * 32]}
    path.write_text(json.dumps(good))
    path.chmod(0o644)
    with pytest.raises(InputError):
        open_providers(path)
    path.chmod(0o600)
    hosted = open_providers(path).hosted
    assert hosted is not None and hosted.secrets == (b"s" * 32,)
    assert open_providers(None).hosted is None
    path.write_text(json.dumps(good | {"secrets": ["a short secret"]}))
    with pytest.raises(InputError, match="secrets") as refused:
        open_providers(path)
    assert "a short secret" not in str(refused.value)
