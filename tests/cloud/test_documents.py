"""Documents on their way: keysets, door settings, and everything made anew when keys change."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from cloud import documents, fleet, keysets, lock_settings
from cloud.bookings import hang_lock
from cloud.credentials import epoch_for
from cloud.keyfiles import OPERATIONAL, KeyFile, key_path, new_key, read_key
from cloud.keyring.worker import KeySteps
from cloud.models import Credential, Room, StatusOutbox
from cloud.problems import Problem
from cloud.rekey import follow_keyset
from cloud.service import TownService, open_service
from kannuki.errors import InputError
from kannuki.messages import LockState
from protocol import lockconfig, statuslist
from protocol import token as tokens
from protocol.keyset import ROLE_CONFIG, ROLE_STATUS
from protocol.verify import verify_document
from tests.cloud.support import CRYPTO, FIRST, TOWN, TestLock, Town, open_town

ON_BOTH_DATABASES = True

LOCK = "bbbbbbbb"


def change(town: Town, figures: dict[str, int], groups: list[str] | None = None) -> dict[str, Any]:
    with town.service.database.write() as session:
        return lock_settings.change(
            session, town.service.signers, LOCK, figures, groups, town.clock()
        )


def report(service: TownService, **held: Any) -> None:
    with service.database.write() as session:
        now = service.clock()
        told = LockState(reachable=True, seen_at=now, **held)
        assert fleet.note_lock(session, LOCK, told, now)
        fleet.offer_keyset(session, LOCK, service.keyset, now)


def due(service: TownService) -> list[documents.DueDocument]:
    with service.database.write() as session:
        return documents.due(session, service.clock())


# --- door settings ---


def test_change_makes_the_next_version_signed_by_the_config_key(town: Town) -> None:
    assert change(town, {})["version"] == 0
    told = change(town, {"relock_after_ms": 9000, "pin_allowed": 0}, ["+bbbbbbbb", "+aaaaaaaa"])
    assert (told["version"], told["relock_after_ms"], told["doubt_s"]) == (1, 9000, 0)
    (put,) = due(town.service)
    signed, config = lockconfig.parse(put.document)
    keyset = town.service.keyset.keyset
    assert verify_document(keyset, CRYPTO, signed, ROLE_CONFIG, lockconfig.CONTEXT)
    assert (put.what, put.version, config.version, config.lock_id) == ("config", 1, 1, LOCK)
    assert (config.groups, config.door.pin_allowed) == (["+aaaaaaaa", "+bbbbbbbb"], 0)


def test_change_of_one_figure_keeps_the_others_and_no_change_makes_no_version(town: Town) -> None:
    change(town, {"relock_after_ms": 9000}, ["+aaaaaaaa"])
    told = change(town, {"doubt_s": 60})
    assert (told["version"], told["relock_after_ms"], told["groups"]) == (2, 9000, ["+aaaaaaaa"])
    assert change(town, {"doubt_s": 60}) == told


def test_figure_or_group_out_of_bounds_changes_nothing(town: Town) -> None:
    for figures, groups in (({"doubt_s": 9999}, None), ({}, ["aaaaaaaa"]), ({}, ["+a"] * 17)):
        with pytest.raises(Problem):
            change(town, figures, groups)
    assert change(town, {})["version"] == 0
    assert due(town.service) == []


def test_lock_that_reports_the_version_is_done_and_one_made_anew_gets_it_again(town: Town) -> None:
    change(town, {"doubt_s": 60})
    assert len(due(town.service)) == 1
    report(town.service, config_version=1)
    town.clock.now += 100
    assert due(town.service) == []
    report(town.service, config_version=0)
    assert [put.version for put in due(town.service)] == [1]


# --- keysets ---


def test_lock_with_an_older_keyset_is_offered_the_newest(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        newer = next_keyset(town, new_epoch=True)
        report(newer, keyset_version=1)
        assert [(put.what, put.version) for put in due(newer)] == [("keyset", 2)]
        report(newer, keyset_version=2)
        town.clock.now += 100
        assert due(newer) == []


def test_lock_that_tells_nothing_of_its_keyset_is_offered_none(town: Town) -> None:
    report(town.service, keyset_version=0)
    assert due(town.service) == []


def test_service_that_holds_an_older_keyset_than_a_lock_is_told(town: Town) -> None:
    report(town.service, keyset_version=7)
    with town.service.database.read() as session:
        from cloud.reports import alarm_lines

        assert [alarm["kind"] for alarm in alarm_lines(session, 9)] == ["KEYSET_BEHIND"]
    assert due(town.service) == []


def next_keyset(
    town: Town, *, new_epoch: bool = False, retire: int = 0, renewed: str = ""
) -> TownService:
    """Signs the next keyset as `kannuki keys keyset` does, and opens the service with it."""
    folder = town.folder / "keys"
    if renewed:
        path = key_path(folder, renewed)  # type: ignore[arg-type]
        path.unlink()
        write(path, new_key(renewed, secrets.token_bytes))  # type: ignore[arg-type]
    before = keysets.read_file(folder / keysets.FILE_NAME).keyset
    vaults = {epoch: key for epoch, key in before.vaults.items() if epoch != retire}
    if new_epoch:
        fresh = new_key("vault", secrets.token_bytes, max(vaults) + 1)
        write(key_path(folder, "vault", fresh.epoch), fresh)
        vaults[fresh.epoch] = fresh.public_key
    rows = {p: read_key(key_path(folder, p), p).public_key for p in OPERATIONAL}
    made = keysets.compose(TOWN, rows, vaults, before.roots, town.clock(), before)
    document = keysets.sign(made, town.roots[0], before).document
    (folder / keysets.FILE_NAME).write_bytes(document)
    return open_service(TOWN, town.service.database, folder, town.clock, "https://key.example/k")


def follow(service: TownService) -> bool:
    """What a service that starts with another keyset does, and then its worker."""
    followed = follow_keyset(service)
    KeySteps(service, "").drain()
    return followed


def write(path: Path, key: KeyFile) -> None:
    path.write_text(key.model_dump_json())
    path.chmod(0o600)


def live(town: Town) -> list[Credential]:
    with town.service.database.read() as session:
        return session.query(Credential).filter_by(lock_id=LOCK, revoked_at=None).all()


def test_new_tokens_name_the_newest_epoch_that_the_lock_is_known_to_have(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        newer = next_keyset(town, new_epoch=True)
        with newer.database.read() as session:
            assert epoch_for(session, newer.signers, LOCK) == 1
        report(newer, keyset_version=2)
        with newer.database.read() as session:
            assert epoch_for(session, newer.signers, LOCK) == 2
            assert epoch_for(session, newer.signers, "aaaaaaaa") == 1


def test_retired_epoch_gives_every_booking_a_new_token_once(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        town.take(FIRST)
        follow(town.service)
        before = {row.cti for row in live(town)}
        newer = next_keyset(town, new_epoch=True)
        assert follow(newer)
        assert {row.cti for row in live(town)} == before
        last = next_keyset(town, retire=1)
        assert follow(last)
        after = live(town)
        assert {row.cti for row in after}.isdisjoint(before)
        assert {tokens.parse(row.raw_token)[1].epoch for row in after} == {2}
        assert len(after) == len(before)
        assert not follow(last)


def test_new_status_key_signs_every_list_again_with_a_higher_version(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        town.take(FIRST)
        report(town.service)
        with town.service.database.write() as session:
            booking = session.query(Credential).filter_by(lock_id=LOCK).first()
            assert booking is not None
            booking.revoked_at = town.clock()
            from cloud.lists import publish_lists

            publish_lists(session, town.service.signers, {LOCK}, town.clock())
        newer = next_keyset(town, renewed="status")
        follow(newer)
        with newer.database.read() as session:
            outbox = session.get_one(StatusOutbox, LOCK)
        signed, header = statuslist.parse(outbox.document)
        keyset = newer.keyset.keyset
        assert verify_document(keyset, CRYPTO, signed, ROLE_STATUS, statuslist.CONTEXT)
        assert header.version == outbox.version == 2


def test_new_issuer_key_gives_every_booking_a_new_token(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        town.take(FIRST)
        before = {row.cti for row in live(town)}
        follow(next_keyset(town, renewed="booking-issuer"))
        assert {row.cti for row in live(town)}.isdisjoint(before)


def test_new_config_key_signs_settings_again(tmp_path: Path) -> None:
    with open_town(tmp_path) as town:
        change(town, {"doubt_s": 60})
        newer = next_keyset(town, renewed="config")
        follow(newer)
        with newer.database.read() as session:
            row = documents.newest(session, LOCK, documents.CONFIG)
            told = lock_settings.settings_line(session, LOCK)
        assert row is not None
        signed, config = lockconfig.parse(row.document)
        keyset = newer.keyset.keyset
        assert verify_document(keyset, CRYPTO, signed, ROLE_CONFIG, lockconfig.CONTEXT)
        assert (config.version, told["version"], told["doubt_s"]) == (2, 2, 60)


def test_service_does_not_start_with_a_key_that_no_lock_believes(town: Town) -> None:
    path = key_path(town.folder / "keys", "time")
    path.unlink()
    write(path, new_key("time", secrets.token_bytes))
    with pytest.raises(InputError, match="no lock would believe it"):
        open_service(TOWN, town.service.database, town.folder / "keys", town.clock, "https://k")


def test_service_does_not_start_with_the_keyset_of_another_town(town: Town) -> None:
    with pytest.raises(InputError, match=f"of the town '{TOWN}'"):
        open_service("other", town.service.database, town.folder / "keys", town.clock, "https://k")


# --- a lock made anew ---


def test_lock_made_anew_must_begin_a_higher_journal(town: Town) -> None:
    anew = TestLock(LOCK)
    with town.service.database.write() as session:
        room = session.query(Room).filter_by(room_id="room-2").one()
        with pytest.raises(Problem) as refused:
            hang_lock(session, town.service.signers, anew.enrolment(), room, town.clock())
        assert refused.value.code == "OLD_JOURNAL"
        assert "2" in refused.value.body()["en"]
        anew.journal_epoch = 2
        lock = hang_lock(session, town.service.signers, anew.enrolment(), room, town.clock())
        assert (lock.journal_epoch, lock.signing_key) == (2, anew.enrolment().signing_key)


def test_settings_are_told_as_json_figures(town: Town) -> None:
    told = change(town, {"max_hold_s": 60})
    assert json.loads(json.dumps(told)) == told
    assert set(lock_settings.FIGURE_NAMES) <= set(told)
