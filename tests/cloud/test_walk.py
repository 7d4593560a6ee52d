"""Every endpoint, asked for one town's things with another town's credentials: nothing is told.

The one town (misaki) has a row in every table that there is, with words of its own. The other
(nagi) has staff of every role, a resident, and its programs' secret. Each of them asks each
endpoint of each site for the first town's things by their true ids, in paths, queries and bodies.
No answer holds a word of the first town that was not in the question, and no row of it changes.
What is added is walked without being named here, tables too; a new kind of id has to be named.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import LargeBinary, String, Table, inspect, select

from cloud import bookings, keylinks
from cloud.models import Account, Base, Booking
from cloud.people import staff
from cloud.people.principals import ROLES, Grant, machine
from cloud.people.sessions import BOOK, DESK, Owner, start
from cloud.relay import RelayHub
from cloud.service import TownService, open_service
from cloud.web.apps import create_sites, describe, every_route
from cloud.web.context import ApiContext, SiteUrls
from cloud.web.limits import Limiter
from tests.cloud.support import FIRST, START, Town, make_keys, open_town

pytestmark = pytest.mark.slow

OTHER = "nagi"
HERE = SiteUrls("https://book.misaki.jp", "https://key.misaki.jp", "https://desk.misaki.jp")
THERE = SiteUrls("https://book.nagi.jp", "https://key.nagi.jp", "https://desk.nagi.jp")
SECRET_OF_OTHER = b"programs of the other town"
# Where the id that a parameter or member of this name means is found.
IDS = {
    "room_id": "rooms.room_id",
    "booking_id": "bookings.booking_id",
    "booking": "bookings.booking_id",
    "facility_id": "facilities.facility_id",
    "facility": "facilities.facility_id",
    "lock_id": "locks.lock_id",
    "group_id": "groups.group_id",
    "evidence_id": "group_evidence.evidence_id",
    "holder_id": "booking_holders.holder_id",
    "account_id": "accounts.account_id",
    "staff_id": "staff.staff_id",
    "passkey_id": "passkeys.passkey_id",
    "session_id": "web_sessions.session_id",
    "alarm_id": "alarms.alarm_id",
}
MADE_UP = {"session": "AAAAAAAAAAAAAAAA", "provider": "city", "day": "2026-12-05"}
DESCRIBED = describe()["paths"]
OPERATIONS = [(method.upper(), path) for path, at in DESCRIBED.items() for method in at]
NOT_BOTH = {("web_sessions", "staff_id")}  # a session is an account's or a member of staff's
NOT_TELLING = re.compile(r"[0-9]*|[a-z_.-]{1,11}|unknown|confirmed|cancelled|Asia/Tokyo|\{\}|\[\]")


@dataclass
class Walk:
    """Two towns behind one service. `who`: {name: headers} of the other town."""

    town: Town
    client: httpx.AsyncClient
    who: dict[str, dict[str, str]]
    api: Any
    ids: dict[str, str]
    words: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, TownService]]:
    folder = tmp_path_factory.mktemp("walk")
    with ExitStack() as stack:
        town = stack.enter_context(open_town(folder, hung=2))
        town.take(FIRST)
        with town.service.database.write() as session:
            _link(session, town.service)
            fill(session)
        other = _other(town, folder)
        yield town, other


def _link(session: Any, service: TownService) -> None:
    booking = session.scalars(select(Booking).where(Booking.status == "confirmed")).first()
    assert booking is not None
    keylinks.new_link(session, service.signers, booking, service.random_bytes, service.clock())


def _other(town: Town, folder: Path) -> TownService:
    whole = town.service.database.whole
    whole.add_town(OTHER, "なぎ町", START)
    make_keys(folder / "other-keys", OTHER)
    made = open_service(OTHER, whole.of(OTHER), folder / "other-keys", town.clock, f"{THERE.key}/")
    with made.database.write() as session:
        bookings.add_room(session, "なぎ会館", "nagi-room")
    return made


def fill(session: Any) -> None:
    """A row with words of its own in each table that has none; what they point at comes first."""
    classes = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    for table in Base.metadata.sorted_tables:
        made = classes[table.name]
        if table.name == "towns" or session.query(made).first() is not None:
            continue
        session.add(made(**_values(session, table, classes)))
        session.flush()


def _values(session: Any, table: Table, classes: dict[str, type]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    allowed = " ".join(str(c.sqltext) for c in table.constraints if hasattr(c, "sqltext"))
    for column in table.columns:
        if column.name == "town" or (table.name, column.name) in NOT_BOTH:
            continue
        if column.foreign_keys:
            target = next(iter(column.foreign_keys)).column
            row = session.query(classes[target.table.name]).first()
            values[column.name] = getattr(row, target.name)
            continue
        choices = re.search(rf"\b{column.name} IN \('([^']*)'", allowed)
        values[column.name] = choices.group(1) if choices else _value(table, column)
    return values


def _value(table: Table, column: Any) -> Any:
    if isinstance(column.type, LargeBinary):
        return secrets.token_bytes(column.type.length or 32)
    if isinstance(column.type, String):  # Text too
        return secrets.token_hex(12)[: column.type.length or 24]  # fits the pattern of every id
    if column.type.python_type is bool:
        return False
    return START + len(column.name)


def words_of(town: Town) -> set[str]:
    """Every telling value of the town's rows, in the forms in which an answer could hold it."""
    found: set[str] = set()
    with town.service.database.read() as session:
        for mapper in Base.registry.mappers:
            if mapper.local_table.name == "towns":
                continue
            for row in session.query(mapper.class_):
                for attribute in inspect(mapper.class_).column_attrs:
                    found |= _forms(getattr(row, attribute.key))
    return {word for word in found if not NOT_TELLING.fullmatch(word)} - {town.service.town}


def _forms(value: Any) -> set[str]:
    if isinstance(value, bytes) and len(value) > 3:
        return {value.hex(), urlsafe_b64encode(value).rstrip(b"=").decode()}
    return {value} if isinstance(value, str) and value else set()


def rows_of(town: Town) -> dict[str, list[str]]:
    """Everything that the town has, to be compared."""
    with town.service.database.read() as session:
        return {
            mapper.local_table.name: sorted(
                repr([getattr(row, a.key) for a in inspect(mapper.class_).column_attrs])
                for row in session.query(mapper.class_)
            )
            for mapper in Base.registry.mappers
            if mapper.local_table.name != "towns"
        }


def context_of(service: TownService, urls: SiteUrls, secret: bytes) -> ApiContext:
    async def send(*_args: object) -> None:
        return None

    clock = service.clock
    hub = RelayHub(send, clock, clock, service.random_bytes, lambda: True, answer_within_s=0.01)
    return ApiContext(service, "", hub, lambda: None, secret, Limiter(clock, 0), urls)


def people_of(service: TownService) -> dict[str, dict[str, str]]:
    """Everybody the other town knows, with what they send."""
    who = {"nobody": {}, "program": {"Authorization": f"Bearer {SECRET_OF_OTHER.decode()}"}}
    now, boss = service.clock(), machine(service.town)
    with service.database.write() as session:
        for role in ROLES:
            member, _ = staff.invite(session, boss, role, [Grant(role)], service.random_bytes, now)
            who[role] = _cookie(session, service, Owner(staff_id=member.staff_id))
        account = Account(
            account_id=secrets.token_hex(12),
            name="n",
            name_from="",
            consent_version=1,
            consented_at=now,
            created_at=now,
            last_sign_in_at=now,
        )
        session.add(account)
        session.flush()
        who["resident"] = _cookie(session, service, Owner(account_id=account.account_id))
    return who


def _cookie(session: Any, service: TownService, owner: Owner) -> dict[str, str]:
    kind = BOOK if owner.account_id else DESK
    value = start(session, owner, "test", None, service.random_bytes, service.clock())
    return {"Cookie": f"{kind.cookie}={value}"}


@pytest.fixture
async def walk(towns: tuple[Town, TownService]) -> AsyncIterator[Walk]:
    town, other = towns
    mine = context_of(town.service, HERE, b"programs of the first town")
    theirs = context_of(other, THERE, SECRET_OF_OTHER)
    transport = httpx.ASGITransport(create_sites([theirs, mine]))
    api = schemathesis.openapi.from_asgi("/openapi.json", every_route(theirs))
    words = words_of(town) - words_of(replace(town, service=other))
    async with httpx.AsyncClient(transport=transport) as client:
        yield Walk(town, client, people_of(other), api, ids_of(town), words)


def ids_of(town: Town) -> dict[str, str]:
    """{name of a parameter: the first town's id}"""
    tables = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    found = {}
    with town.service.database.read() as session:
        for name, where in IDS.items():
            table, _, column = where.partition(".")
            value = getattr(session.query(tables[table]).first(), column)
            found[name] = value if isinstance(value, str) else _b64(value)
    return found


def _b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def body_of(walk: Walk, method: str, path: str) -> Any:
    """A body that fits the description, about the first town's things."""
    found: list[Any] = []

    @given(case=walk.api[path][method].as_strategy())
    @settings(
        max_examples=1,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def keep(case: Any) -> None:
        found.append(case.body if isinstance(case.body, dict | list) else None)

    keep()
    return _about(found[-1], walk.ids)


def _about(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: ids[key] if key in ids and isinstance(inner, str) else _about(inner, ids)
            for key, inner in value.items()
        }
    return [_about(inner, ids) for inner in value] if isinstance(value, list) else value


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda m: (ids | MADE_UP)[m.group(1)], path)


def query_of(path: str, method: str, ids: dict[str, str]) -> dict[str, str]:
    parameters = DESCRIBED[path][method.lower()].get("parameters", [])
    given = {"from": str(START - 86_400), "to": str(START + 86_400 * 60), "limit": "100"}
    given |= {"month": "2026-12", "minutes": "60", "q": "a"} | MADE_UP | ids
    names = [p["name"] for p in parameters if p["in"] == "query"]
    return {name: given[name] for name in names if name in given}


def test_every_id_in_a_path_is_known_to_the_walk() -> None:
    names = {name for _, path in OPERATIONS for name in re.findall(r"{(\w+)}", path)}
    assert names <= set(IDS) | set(MADE_UP)
    assert {where.partition(".")[0] for where in IDS.values()} <= set(Base.metadata.tables)


def test_first_town_has_something_in_every_table(towns: tuple[Town, TownService]) -> None:
    rows = rows_of(towns[0])
    assert [name for name, held in rows.items() if not held] == []


async def test_other_town_is_told_nothing_and_changes_nothing(walk: Walk) -> None:
    before = rows_of(walk.town)
    leaks, answered = [], 0
    for method, path in OPERATIONS:
        body = body_of(walk, method, path)
        address, query = filled(path, walk.ids), query_of(path, method, walk.ids)
        asked = json.dumps([address, query, body], ensure_ascii=False)
        unheard = {word for word in walk.words if word not in asked}
        for name, headers in walk.who.items():
            for origin in (THERE.book, THERE.key, THERE.console, "https://10.0.0.1"):
                answer = await walk.client.request(
                    method,
                    origin + address,
                    params=query,
                    json=body,
                    headers={"Origin": origin} | headers,
                )
                answered += answer.status_code < 300
                told = answer.text + str(answer.headers)
                leaks += [(name, method, path, w) for w in unheard if w in told]
                assert answer.status_code != 500, (name, method, path, answer.text)
    assert leaks == []
    assert answered > 50  # the walk did get in: with its own credentials, to its own town
    assert rows_of(walk.town) == before


async def test_credentials_of_the_other_town_are_worth_nothing_here(walk: Walk) -> None:
    """At the first town's own sites whoever comes with them is answered as nobody is."""
    before = rows_of(walk.town)
    for method, path in OPERATIONS:
        if method != "GET":
            continue  # that nothing changes is shown above
        address, query = filled(path, walk.ids), query_of(path, method, walk.ids)
        for origin in (HERE.book, HERE.key, HERE.console):
            plain = await walk.client.get(origin + address, params=query)
            for name, headers in walk.who.items():
                answer = await walk.client.get(origin + address, params=query, headers=headers)
                assert answer.status_code == plain.status_code, (name, path)
                assert answer.text == plain.text, (name, path)
    assert rows_of(walk.town) == before
