"""A gateway that lies to the town: nothing false is kept, and what can be noticed is noticed.

The town's worker is handed messages as a broker would hand them; behind them stand a gateway that
has everything a stolen one has, and locks that seal as real ones do. Honest days are played too:
what is noticed in them would be a false alarm.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud import heads, reports, vigil
from cloud.broker_worker import BrokerWorker
from cloud.lists import publish_lists
from cloud.models import AuditRecord, Credential, LockReport, StatusOutbox
from kannuki.messages import (
    AuditEvent,
    CommandResult,
    GatewayState,
    LockState,
    Message,
    TimeRequest,
)
from kannuki.mqtt import LinkSettings
from kannuki.soak import write_figures
from protocol import audit
from tests.cloud.support import FIRST, START, TestLock, Town, open_town

HOUR_S, DAY_S = 3600, 86_400
LOCK = "bbbbbbbb"


@dataclass
class Office:
    """A town whose worker is handed messages; time moves when told."""

    town: Town
    worker: BrokerWorker
    lock: TestLock
    held: int = 0  # the status list that the lock holds

    @property
    def now(self) -> int:
        return self.town.clock.now

    def hear(self, device: str, message: Message | None) -> None:
        self.worker._take(device, message)

    def pass_time(self, seconds: int) -> None:
        self.town.clock.now += seconds
        self.worker._look_around()

    def meet_for(self, seconds: int) -> None:
        """Time passes, and the gateway says that it meets the lock meanwhile."""
        for left in range(seconds, 0, -800):
            self.pass_time(min(left, 800))
            self.hear(LOCK, self.state())
        self.worker._look_around()

    def parcel(self, first: int, end: int) -> AuditEvent:
        """Records [first, end) of the lock's journal, by number."""
        records = self.lock.records[first - 1 : end - 1]
        raw, seal = self.lock.parcel(self.town.service.vault.public_keys, records)
        return AuditEvent(id=f"e{first}-{end}", lock=LOCK, parcel=raw, seal=seal)

    def state(self, **changes: object) -> LockState:
        told = {"seen_at": self.now, "keyset_version": 1, "head_seq": len(self.lock.records)}
        return LockState(reachable=True, **told | {"status_version": self.held} | changes)

    def live(self, hours: int) -> None:
        """The lock goes on: at least one record in every hour."""
        for _ in range(hours):
            self.lock.record(audit.TIME, audit.TIME_CHECKPOINT, audit.SOURCE_NONE)

    def withdraw(self) -> int:
        """The version of the list that withdraws the next key of the lock."""
        with self.town.service.database.write() as session:
            query = session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None)
            stored = query.filter(Credential.expires_at > self.now).first()
            assert stored is not None
            stored.revoked_at = self.now
            publish_lists(session, self.town.service.signers, {LOCK}, self.now)
            stored.listed_version = session.get_one(StatusOutbox, LOCK).version
            return stored.listed_version

    def acknowledged(self) -> int:
        with self.town.service.database.read() as session:
            return session.get_one(StatusOutbox, LOCK).acknowledged_version

    def alarms(self) -> list[tuple[str, str]]:
        with self.town.service.database.read() as session:
            return sorted((a["kind"], a["device"]) for a in reports.alarm_lines(session, 500))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.alarms()]

    def stored(self) -> list[bytes]:
        with self.town.service.database.read() as session:
            rows = session.query(AuditRecord).filter_by(lock_id=LOCK).order_by(AuditRecord.seq)
            return [row.raw for row in rows]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_town(tmp_path) as town:
        yield open_office(town)


def open_office(town: Town) -> Office:
    """One gateway, one lock that has been met and whose three records are here."""
    town.take(FIRST)
    town.clock.now = START + 60
    settings = LinkSettings("127.0.0.1", 1, client_id="cloud")
    worker = BrokerWorker(
        town.service, settings, monotonic=time.monotonic, random=random.Random(1).random
    )
    office = Office(town, worker, town.locks[1])
    office.hear("gw-1", GatewayState(online=True))
    office.hear(LOCK, office.state())
    office.live(3)
    office.hear("gw-1", office.parcel(1, 4))
    office.hear(LOCK, office.state())
    return office


def honest_hour(office: Office, number: int) -> None:
    """A record, perhaps a list that is carried and put on record; all of it comes home."""
    first = len(office.lock.records) + 1
    office.live(1)
    office.meet_for(1200)
    if number % 24 == 5 and number < 72:
        version = office.withdraw()
        office.meet_for(60)
        office.held = version
        office.lock.record(audit.STATUS_LIST, version, audit.SOURCE_NONE)
        result = CommandResult(id=f"status-{LOCK}-{version}", ok=True, version=version)
        office.hear(LOCK, result)
    office.hear("gw-1", office.parcel(first, len(office.lock.records) + 1))
    office.meet_for(2400)


def test_an_honest_gateway_raises_no_alarm(office: Office) -> None:
    for number in range(30):
        honest_hour(office, number)
        assert office.alarms() == []


# --- what is withheld ---


def test_a_tail_that_a_phone_has_seen_and_the_gateway_withholds_is_noticed(office: Office) -> None:
    office.live(2)
    with office.town.service.database.write() as session:
        heads.note(session, office.lock.head(), heads.PHONE, office.now)
    office.meet_for(vigil.HEAD_COMES_HOME_S - 1)
    assert office.alarms() == []
    office.meet_for(1)
    assert office.alarms() == [("AUDIT_WITHHELD", LOCK)]
    office.hear("gw-1", office.parcel(4, 6))
    office.pass_time(1)
    assert office.alarms() == []


def test_a_gateway_that_brings_no_record_at_all_is_noticed_in_time(office: Office) -> None:
    """It meets the lock, it says; but then there would be a record in every hour."""
    office.meet_for(vigil.RECORDS_COME_S - 1)
    assert office.alarms() == []
    office.meet_for(1)
    assert office.alarms() == [("AUDIT_WITHHELD", LOCK)]


def test_a_list_that_never_arrives_is_noticed(office: Office) -> None:
    version = office.withdraw()
    office.meet_for(vigil.LIST_ARRIVES_S)
    assert office.alarms() == [("STATUS_LIST_LATE", LOCK)]
    office.lock.record(audit.STATUS_LIST, version, audit.SOURCE_NONE)
    office.hear(LOCK, CommandResult(id=f"status-{LOCK}-{version}", ok=True, version=version))
    office.hear("gw-1", office.parcel(4, 5))
    office.pass_time(1)
    assert office.alarms() == []


def test_a_list_that_never_arrives_is_noticed_although_newer_ones_take_its_place(
    office: Office,
) -> None:
    for _ in range(3):
        office.withdraw()
        office.meet_for(vigil.LIST_ARRIVES_S // 2)
    assert office.alarms() == [("STATUS_LIST_LATE", LOCK)]


def test_a_list_said_to_have_arrived_is_not_believed_without_the_locks_own_record(
    office: Office,
) -> None:
    version = office.withdraw()
    office.hear(LOCK, CommandResult(id=f"status-{LOCK}-{version}", ok=True, version=version))
    office.live(1)
    office.hear("gw-1", office.parcel(4, 5))
    office.hear(LOCK, office.state(status_version=version))
    office.pass_time(vigil.LIST_IS_PROVEN_S)
    assert "STATUS_LIST_UNPROVEN" in office.kinds()
    for _ in range(30):  # and it is not forgotten, though nothing new comes
        office.pass_time(HOUR_S)
    assert "STATUS_LIST_UNPROVEN" in office.kinds()
    office.lock.record(audit.STATUS_LIST, version, audit.SOURCE_NONE)
    office.hear("gw-1", office.parcel(5, 6))
    office.pass_time(1)
    assert "STATUS_LIST_UNPROVEN" not in office.kinds()


def test_a_lock_that_is_silent_while_its_gateway_calls_it_reachable_is_noticed(
    office: Office,
) -> None:
    office.pass_time(vigil.LOCK_IS_MET_S)
    assert office.alarms() == [("LOCK_SILENT", LOCK)]
    office.hear(LOCK, office.state())
    office.pass_time(1)
    assert office.alarms() == []


def test_one_trouble_is_one_alarm_however_long_it_lasts(office: Office) -> None:
    office.withdraw()
    for _ in range(20):
        office.pass_time(vigil.LIST_ARRIVES_S)
        office.hear(LOCK, office.state())
    with office.town.service.database.read() as session:
        (alarm,) = [a for a in reports.alarm_lines(session, 9) if a["kind"] == "STATUS_LIST_LATE"]
    assert alarm["times"] == 1


# --- what is forged ---


@pytest.mark.parametrize(
    "lie",
    [
        {"status_version": 99},
        {"config_version": 99},
        {"acked_seq": 99},
        {"seen_at": START + 30 * DAY_S},
    ],
)
def test_a_state_that_cannot_be_true_is_noticed_once(office: Office, lie: dict[str, int]) -> None:
    for _ in range(5):
        office.hear(LOCK, office.state(**lie))
    with office.town.service.database.read() as session:
        (alarm,) = reports.alarm_lines(session, 9)
    assert (alarm["kind"], alarm["device"], alarm["times"]) == ("GATEWAY_CONTRADICTS", LOCK, 1)


def test_a_state_below_what_the_lock_has_sealed_is_noticed(office: Office) -> None:
    office.pass_time(600)
    office.hear(LOCK, office.state(head_seq=2))
    assert {("AUDIT_WENT_BACK", LOCK), ("GATEWAY_CONTRADICTS", LOCK)} <= set(office.alarms())


def test_a_state_from_the_future_does_not_blind_the_town_to_later_ones(office: Office) -> None:
    office.hear(LOCK, office.state(seen_at=START + 30 * DAY_S))
    office.pass_time(10)
    office.hear(LOCK, office.state(bolt="jammed", head_seq=1))
    assert "AUDIT_WENT_BACK" in office.kinds()
    with office.town.service.database.read() as session:
        report = session.get_one(LockReport, LOCK)
        assert (report.seen_at, report.bolt) == (office.now, "jammed")


def test_an_answer_on_another_locks_topic_acknowledges_nothing(office: Office) -> None:
    version = office.withdraw()
    for device in ("aaaaaaaa", "gw-1", "cccccccc"):
        result = CommandResult(id=f"status-{LOCK}-{version}", ok=True, version=version)
        office.hear(device, result)
    assert office.acknowledged() == 0
    told = {("GATEWAY_CONTRADICTS", device) for device in ("aaaaaaaa", "gw-1", "cccccccc")}
    assert set(office.alarms()) == told


def test_seals_and_parcels_that_are_forged_are_noticed_and_not_kept(office: Office) -> None:
    event, before = office.parcel(1, 4), office.stored()
    foreign = TestLock(LOCK)
    foreign.record(audit.LOCK_OPERATION, audit.OPERATION_UNLOCK)
    raw, seal = foreign.parcel(office.town.service.vault.public_keys, foreign.records)
    office.hear("gw-1", event.model_copy(update={"seal": bytes(16)}))
    office.hear(
        "gw-1",
        event.model_copy(update={"parcel": event.parcel[:-1] + bytes([event.parcel[-1] ^ 1])}),
    )
    office.hear("gw-1", AuditEvent(id="x", lock=LOCK, parcel=raw, seal=seal))
    office.hear("gw-1", event.model_copy(update={"parcel": b"rubbish"}))
    assert office.stored() == before
    assert set(office.kinds()) == {"AUDIT_BAD_SEAL", "AUDIT_BROKEN_RUN"}


def test_another_history_of_a_lock_taken_apart_is_a_fork(office: Office) -> None:
    liar = TestLock(LOCK, office.lock.secret, office.lock.signing_seed)
    for _ in range(3):
        liar.record(audit.DOOR_STATE, audit.DOOR_OPEN)
    raw, seal = liar.parcel(office.town.service.vault.public_keys, liar.records)
    before = office.stored()
    office.hear("gw-1", AuditEvent(id="x", lock=LOCK, parcel=raw, seal=seal))
    assert office.stored() == before
    assert set(office.kinds()) == {"AUDIT_FORK"}


def test_events_of_locks_that_are_not_ours_are_noticed(office: Office) -> None:
    foreign = TestLock("zzzzzzzz")
    foreign.record(audit.BOOT, 0)
    raw, seal = foreign.parcel(office.town.service.vault.public_keys, foreign.records)
    office.hear("gw-1", AuditEvent(id="x", lock="zzzzzzzz", parcel=raw, seal=seal))
    assert office.alarms() == [("AUDIT_BAD_SEAL", "zzzzzzzz")]


def test_a_replayed_event_changes_nothing_and_makes_nobody_the_locks_carrier(
    office: Office,
) -> None:
    before = office.stored()
    for _ in range(3):
        office.hear("gw-2", office.parcel(1, 4))
    assert (office.stored(), office.alarms()) == (before, [])
    with office.town.service.database.read() as session:
        assert session.get_one(LockReport, LOCK).gateway_id == "gw-1"


def test_who_asks_the_time_for_locks_that_are_not_there_is_noticed(office: Office) -> None:
    for lock in (LOCK, "zzzzzzzz", "zzzzzzzz"):
        office.hear("gw-1", TimeRequest(id="t", lock=lock, nonce=bytes(16)))
    assert office.alarms() == [("UNKNOWN_LOCK", "zzzzzzzz")]


def test_a_flood_of_garbage_is_one_alarm(office: Office) -> None:
    for _ in range(50):
        office.hear("gw-1", None)
    with office.town.service.database.read() as session:
        (alarm,) = reports.alarm_lines(session, 9)
    assert (alarm["kind"], alarm["times"]) == ("GATEWAY_GARBAGE", 1)


# --- everything at once ---


class Trickster:
    """Drops, delays, repeats, reorders and forges what an honest gateway would have said."""

    def __init__(self, office: Office, chance: random.Random) -> None:
        self.office, self.chance = office, chance
        self.kept: list[tuple[str, Message]] = []
        self.held_back: list[tuple[str, Message]] = []
        self.asked: Counter[str] = Counter()

    def says(self, device: str, message: Message) -> None:
        """An honest message, on its way."""
        self.kept.append((device, message))
        how = self.chance.choice(["pass", "pass", "drop", "delay", "twice", "forge"])
        self.asked[how] += 1
        if how in ("drop", "delay"):
            self.held_back.append((device, message))
        elif how == "forge":
            self.held_back.append((device, message))
            self.office.hear(device, self._forged(message))
        else:
            for _ in range(2 if how == "twice" else 1):
                self.office.hear(device, message)

    def plays(self) -> None:
        """Something recorded, by itself or another gateway, or something that it held back."""
        how = self.chance.choice(["replay", "other gateway", "release", "garbage"])
        self.asked[how] += 1
        device, message = self.chance.choice(self.kept)
        if how == "other gateway":
            device = self.chance.choice(["gw-2", "aaaaaaaa", "zzzzzzzz"])
        elif how == "release" and self.held_back:
            place = self.chance.randrange(len(self.held_back))
            device, message = self.held_back.pop(place)
        self.office.hear(device, None if how == "garbage" else message)

    def _forged(self, message: Message) -> Message:
        if isinstance(message, AuditEvent):
            raw = bytearray(message.parcel)
            raw[self.chance.randrange(len(raw))] ^= 1 << self.chance.randrange(8)
            return message.model_copy(update={"parcel": bytes(raw)})
        if isinstance(message, LockState):
            lies = {"head_seq": 10**6, "acked_seq": 10**6, "status_version": 77}
            name = self.chance.choice(sorted(lies))
            return message.model_copy(update={name: lies[name]})
        return message


def play(office: Office, seed: int, hours: int) -> Counter[str]:
    """A trickster's day, and what it was caught with; then it is replaced by an honest gateway."""
    chance = random.Random(seed)
    trickster = Trickster(office, chance)
    for _ in range(hours):
        office.live(1)
        last = len(office.lock.records)
        trickster.says("gw-1", office.parcel(last, last + 1))
        trickster.says(LOCK, office.state())
        for _ in range(chance.randrange(4)):
            trickster.plays()
        office.pass_time(chance.choice([60, 900, HOUR_S]))
        truth = set(office.lock.records)
        assert set(office.stored()) <= truth, "a record that the lock never wrote"
    return trickster.asked


def is_whole(office: Office) -> bool:
    return office.stored() == office.lock.records


def check_noticed(office: Office) -> None:
    """What is missing in the middle shows within the bound, and shows no more when it came."""
    have = {audit.decode_record(raw).seq for raw in office.stored()}
    office.pass_time(vigil.GAP_STANDS_S)
    has_gap = have != set(range(1, max(have) + 1))
    assert (("AUDIT_GAP", LOCK) in office.alarms()) == has_gap
    office.hear("gw-1", office.parcel(1, len(office.lock.records) + 1))
    office.hear(LOCK, office.state())
    office.pass_time(1)
    assert is_whole(office)
    over = ("AUDIT_GAP", "AUDIT_WITHHELD", "LOCK_SILENT", "AUDIT_FORK")
    assert not {(kind, LOCK) for kind in over} & set(office.alarms())


@pytest.mark.parametrize("seed", range(6))
def test_whatever_a_trickster_plays_nothing_false_is_kept_and_what_is_missing_shows(
    office: Office, seed: int
) -> None:
    asked = play(office, seed, 24)
    assert len(asked) == 9
    check_noticed(office)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_days_of_a_trickster(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    asked: Counter[str] = Counter()
    for seed in range(1000):
        with open_town(_fresh(tmp_path, seed)) as town:
            office = open_office(town)
            asked += play(office, seed, 24)
            check_noticed(office)
        figures = {"days": seed + 1, "false_records": 0, "unnoticed_gaps": 0, **asked}
        write_figures(pytestconfig.rootpath, "hostile_cloud", figures)


def _fresh(folder: Path, number: int) -> Path:
    made = folder / str(number)
    made.mkdir()
    return made
