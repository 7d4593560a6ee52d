"""Documents to locks: status lists whole, by delta and in parts; keysets, configurations, acks."""

from __future__ import annotations

import itertools

import pytest

from gateway.machine import Settings
from kannuki.messages import DocumentPut, StatusPut
from protocol import reasons, session, statuslist
from protocol.crypto import sha256
from protocol.frames import MAX_MESSAGE_BYTES
from protocol.statuslist import ENTRY_BYTES
from protocol.timebound import TimeBound, unknown
from tests.gateway.fakelock import (
    LOCK_A,
    LOCK_B,
    STATUS_ISSUER,
    STRANGER,
    T0,
    ack_document,
    config_document,
    keyset_document,
    signed,
    status_document,
    status_entries,
)
from tests.gateway.world import World

FOREVER = T0 + 10**6
PART, DELTA = session.REQUEST_STATUS_PART, session.REQUEST_STATUS_DELTA
_names = itertools.count()


def put_status(
    version: int, entries: bytes, base: int | None = None, additions: bytes | None = None, **kwargs
) -> StatusPut:
    return StatusPut(
        id=f"status-{version}-{next(_names)}",
        document=status_document(LOCK_A, version, entries=entries, **kwargs),
        version=version,
        entries=entries,
        base_version=base,
        additions=additions,
        expires_at=FOREVER,
    )


def put(what: str, version: int, document: bytes, expires_at: int = FOREVER) -> DocumentPut:
    return DocumentPut(
        id=f"{what}-{version}-{next(_names)}",
        what=what,
        document=document,
        version=version,
        expires_at=expires_at,
    )


def keyset_put(version: int, **kwargs) -> DocumentPut:
    return put("keyset", version, keyset_document(version, **kwargs))


def ack_put(seq: int, epoch: int = 1) -> DocumentPut:
    return put("ack", seq, ack_document(LOCK_A, seq, epoch))


def times(w: World, operation: int) -> int:
    return w.locks[LOCK_A].requests.count(operation)


def held_entries(w: World) -> bytes:
    status = w.locks[LOCK_A].trust.status
    return status.read(0, status.header.count * ENTRY_BYTES)


# --- status lists ---


def test_a_full_status_list_travels_in_parts_and_arrives_whole(world):
    w = world([LOCK_A])
    entries = status_entries(2000)
    command = put_status(1, entries)
    w.command(LOCK_A, command)
    assert w.result(command.id).version == 1
    assert held_entries(w) == entries
    assert times(w, PART) == 16


def test_an_empty_status_list_is_one_part(world):
    w = world([LOCK_A])
    command = put_status(4, b"")
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert times(w, PART) == 1


def test_a_delta_is_sent_when_the_lock_holds_its_base(world):
    w = world([LOCK_A])
    old, new = status_entries(100), status_entries(105)
    first = put_status(1, old)
    w.command(LOCK_A, first)
    assert w.result(first.id).ok
    parts = times(w, PART)
    added = [new[at : at + ENTRY_BYTES] for at in range(0, len(new), ENTRY_BYTES)]
    known = {old[at : at + ENTRY_BYTES] for at in range(0, len(old), ENTRY_BYTES)}
    additions = b"".join(each for each in added if each not in known)
    second = put_status(2, new, base=1, additions=additions)
    w.command(LOCK_A, second)
    assert w.result(second.id).version == 2
    assert held_entries(w) == new
    assert (times(w, DELTA), times(w, PART)) == (1, parts)


@pytest.mark.parametrize("base", [1, 3])
def test_no_delta_is_sent_to_a_lock_that_holds_another_base(world, base):
    w = world([LOCK_A])
    entries = status_entries(20)
    command = put_status(5, entries, base=base, additions=entries)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert (times(w, DELTA), times(w, PART)) == (0, 1)


@pytest.mark.parametrize("rows", [0, statuslist.MAX_MIN_IAT_ROWS])
@pytest.mark.parametrize("beyond", [0, 1])
def test_the_largest_delta_that_is_tried_fits_a_message_and_so_does_the_largest_part(
    world, rows, beyond
):
    w = world([LOCK_A], Settings(status_piece_bytes=10**6))
    min_iat = [(bytes([row] * 4), LOCK_B, T0) for row in range(rows)]
    largest = 0
    for count in range(350, 520):
        entries = status_entries(count)
        header = statuslist.StatusHeader(LOCK_A, 5, T0, 0, min_iat, count, sha256(entries))
        document = signed(STATUS_ISSUER, statuslist.encode(header), statuslist.CONTEXT)
        if len(document) + len(entries) + 64 <= MAX_MESSAGE_BYTES:
            largest = count
    entries = status_entries(largest + beyond)
    header = statuslist.StatusHeader(LOCK_A, 5, T0, 0, min_iat, largest + beyond, sha256(entries))
    document = signed(STATUS_ISSUER, statuslist.encode(header), statuslist.CONTEXT)
    command = put_status(5, entries, base=0, additions=entries)
    w.command(LOCK_A, command.model_copy(update={"document": document}))
    assert w.result(command.id).ok
    assert (times(w, DELTA), times(w, PART)) == ((0, 2) if beyond else (1, 0))
    assert held_entries(w) == entries


def test_additions_that_fit_no_message_go_as_parts(world):
    w = world([LOCK_A])
    entries = status_entries(600)
    command = put_status(5, entries, base=0, additions=entries)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert times(w, DELTA) == 0
    assert held_entries(w) == entries


@pytest.mark.parametrize("reason", [reasons.OTHER_BASE, reasons.MALFORMED])
def test_a_delta_that_the_lock_will_not_have_is_followed_by_parts_in_the_same_visit(world, reason):
    w = world([LOCK_A])
    w.locks[LOCK_A].replies[DELTA] = (reason, None)
    entries = status_entries(200)
    command = put_status(5, entries, base=0, additions=entries)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert (times(w, DELTA), times(w, PART)) == (1, 2)
    assert held_entries(w) == entries
    assert len(w.connects) == 1


def test_parts_cut_short_go_on_at_the_next_visit_where_they_stopped(world):
    w = world([LOCK_A], Settings(status_piece_bytes=800), latency_s=0.1)
    entries = status_entries(2000)
    command = put_status(1, entries)
    w.command(LOCK_A, command)
    w.until(lambda: times(w, PART) == 9)
    w.lose(LOCK_A)
    assert w.result(command.id).ok
    assert held_entries(w) == entries
    assert 20 <= times(w, PART) <= 21
    assert len(w.connects) == 2


def test_parts_go_on_after_a_kill_of_the_gateway_because_the_lock_says_where(world):
    w = world([LOCK_A], Settings(status_piece_bytes=800), latency_s=0.1)
    entries = status_entries(2000)
    command = put_status(1, entries)
    w.command(LOCK_A, command)
    w.until(lambda: times(w, PART) == 9)
    w.kill()
    w.start()
    assert w.result(command.id).ok
    assert held_entries(w) == entries
    assert times(w, PART) <= 22


def test_a_lock_that_was_restarted_is_given_the_list_from_the_start(world):
    w = world([LOCK_A], Settings(status_piece_bytes=800), latency_s=0.1)
    entries = status_entries(2000)
    command = put_status(1, entries)
    w.command(LOCK_A, command)
    w.until(lambda: times(w, PART) == 9)
    w.lose(LOCK_A)
    w.locks[LOCK_A]._incoming_list = b"", bytearray()
    assert w.result(command.id).ok
    assert held_entries(w) == entries


def test_a_slow_transfer_is_no_failure_but_goes_on_in_visit_after_visit(world):
    settings = Settings(round_within_s=5, status_piece_bytes=800)
    w = world([LOCK_A], settings, latency_s=0.3)
    command = put_status(1, status_entries(2000))
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert len(w.connects) > 1
    assert w.gateway.counters["visits_failed"] == 0


@pytest.mark.parametrize(
    "value",
    [None, 7, [], [8], [0, 0], [24, 0], [-1, 0], [1 << 50, 0], ["8", 0], [None, 0], [None, None],
     [8, None], [None, True], [8, 0, 0]],
)  # fmt: skip
def test_a_lock_that_replies_nonsense_to_parts_is_left_in_peace_until_the_next_try(world, value):
    w = world([LOCK_A], Settings(status_piece_bytes=8))
    w.locks[LOCK_A].replies[PART] = (session.OK, value)
    command = put_status(1, status_entries(3))
    w.command(LOCK_A, command)
    w.run(100)
    assert w.results(command.id) == []
    assert times(w, PART) < 20
    assert w.gateway.counters["visits_failed"] > 1
    del w.locks[LOCK_A].replies[PART]
    assert w.result(command.id).ok


@pytest.mark.parametrize("value", [None, 5, [8, 0], [None, 4], [None, "5"], [None]])
def test_a_lock_that_replies_nonsense_to_a_delta_fails_the_visit(world, value):
    w = world([LOCK_A])
    w.locks[LOCK_A].replies[DELTA] = (session.OK, value)
    entries = status_entries(3)
    w.command(LOCK_A, put_status(5, entries, base=0, additions=entries))
    w.run(1)
    assert w.gateway.counters["visits_failed"] == 1


def test_a_status_list_that_the_lock_has_no_room_for_now_is_offered_again(world):
    w = world([LOCK_A], Settings(sync_interval_s=20))
    w.locks[LOCK_A].replies[PART] = (reasons.FULL, None)
    command = put_status(1, status_entries(3))
    w.command(LOCK_A, command)
    w.run(50)
    assert w.results(command.id) == []
    assert times(w, PART) == 3
    w.locks[LOCK_A].replies.clear()
    assert w.result(command.id).ok


def test_a_list_that_a_lock_with_a_slow_clock_cannot_take_yet_is_kept_for_it(world):
    w = world([LOCK_A], Settings(sync_interval_s=20))
    lock = w.locks[LOCK_A]
    lock.token_time = TimeBound(T0, T0)
    lock.replies[PART] = (reasons.MALFORMED, None)
    lock.behind_s, lock.doubt_s = 7200, -7200
    command = put_status(1, status_entries(3))
    w.command(LOCK_A, command)
    w.run(30)
    assert w.results(command.id) == []
    lock.behind_s, lock.doubt_s = 0, 0
    lock.replies.clear()
    assert w.result(command.id).ok


def test_a_delta_does_not_throw_away_parts_that_are_under_way(world):
    w = world([LOCK_A], Settings(status_piece_bytes=80), latency_s=0.1)
    w.locks[LOCK_A].replies[DELTA] = (reasons.MALFORMED, None)
    entries = status_entries(200)
    command = put_status(5, entries, base=0, additions=entries)
    w.command(LOCK_A, command)
    w.until(lambda: times(w, PART) == 9)
    w.lose(LOCK_A)
    assert w.result(command.id).ok
    assert times(w, DELTA) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"entries": status_entries(2)},
        {"entries": status_entries(3)[:-1]},
        {"version": 8},
        {"base_version": 1},
        {"additions": status_entries(1)},
        {"base_version": 7, "additions": b""},
        {"base_version": -1, "additions": b""},
        {"base_version": 1, "additions": b"x"},
        {"document": b"\xff"},
    ],
)
def test_a_status_command_that_contradicts_its_document_is_refused_at_once(world, change):
    w = world([LOCK_A])
    command = put_status(7, status_entries(3)).model_copy(update=change)
    w.command(LOCK_A, command)
    assert w.results(command.id)[0].error == "MALFORMED"


def test_a_status_list_of_another_lock_is_refused_at_once(world):
    w = world([LOCK_A, LOCK_B])
    command = put_status(7, b"")
    w.command(LOCK_B, command)
    assert w.results(command.id)[0].error == "MALFORMED"


# --- keysets, configurations, acknowledgements ---


def test_a_withdrawal_goes_right_after_the_keyset_that_it_is_checked_by_and_records_come_last(
    world,
):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.locks[LOCK_A].happen(times=3)
    w.command(LOCK_A, ack_put(2))
    w.command(LOCK_A, put_status(1, b""))
    w.command(LOCK_A, put("config", 2, config_document(LOCK_A, 2)))
    w.command(LOCK_A, keyset_put(2))
    w.out_of_range.clear()
    w.until(lambda: w.gateway.counters["visits_finished"])
    assert w.locks[LOCK_A].requests == [
        session.REQUEST_STATE,
        session.REQUEST_KEYSET,
        session.REQUEST_STATUS_PART,
        session.REQUEST_CONFIG,
        session.REQUEST_ACK,
        session.REQUEST_AUDIT,
        session.REQUEST_AUDIT,
    ]


def test_a_document_is_carried_at_once_answered_when_held_and_shown_in_the_state(world):
    w = world([LOCK_A], Settings(sync_interval_s=3600))
    w.locks[LOCK_A].happen(times=5)
    w.broker_up()
    w.run(5)
    config = put("config", 3, config_document(LOCK_A, 3))
    for command in (keyset_put(2), config, ack_put(5)):
        w.command(LOCK_A, command)
        result = w.result(command.id, within_s=3)
        assert (result.ok, result.version) == (True, command.version)
    state = w.states(LOCK_A)[-1]
    assert (state.keyset_version, state.config_version, state.acked_seq) == (2, 3, 5)


def test_of_many_acknowledgements_only_the_newest_is_carried_and_all_are_answered(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.locks[LOCK_A].happen(times=9)
    commands = [ack_put(seq) for seq in (3, 9, 6)]
    for command in commands:
        w.command(LOCK_A, command)
    w.out_of_range.clear()
    for command in commands:
        assert w.result(command.id).version == 9
    assert times(w, session.REQUEST_ACK) == 1


def test_an_acknowledgement_of_a_new_journal_takes_the_place_of_one_of_the_old(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.locks[LOCK_A].journal_epoch = 2
    w.locks[LOCK_A].happen(times=3)
    old, new = ack_put(500, epoch=1), ack_put(2, epoch=2)
    w.command(LOCK_A, old)
    w.command(LOCK_A, new)
    w.out_of_range.clear()
    assert w.result(new.id).ok
    assert w.results(old.id)[0].error == "REFUSED"
    assert w.locks[LOCK_A].acked_seq == 2


def test_documents_of_every_kind_survive_kills(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    w.locks[LOCK_A].happen(times=4)
    entries = status_entries(300)
    commands = [
        keyset_put(2),
        put("config", 2, config_document(LOCK_A, 2)),
        put_status(1, entries),
        ack_put(4),
    ]
    for command in commands:
        w.command(LOCK_A, command)
        w.kill()
        w.start()
    w.out_of_range.clear()
    for command in commands:
        assert w.result(command.id).ok
    assert held_entries(w) == entries
    assert not w.store.has_pending(LOCK_A)


def test_the_same_command_again_gets_the_same_answer_and_is_not_carried_again(world):
    w = world([LOCK_A])
    command = keyset_put(2)
    w.command(LOCK_A, command)
    w.result(command.id)
    w.kill()
    w.start()
    w.command(LOCK_A, command)
    w.run(70)
    first, *others = w.results(command.id)
    assert others and all(other == first for other in others)
    assert times(w, session.REQUEST_KEYSET) == 1


def test_a_document_that_the_lock_holds_already_is_answered_and_not_carried(world):
    w = world([LOCK_A])
    command = keyset_put(1)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert times(w, session.REQUEST_KEYSET) == 0


def test_a_document_that_nobody_of_the_town_signed_is_refused_by_the_lock_and_given_up(world):
    w = world([LOCK_A])
    command = keyset_put(2, key=STRANGER)
    w.command(LOCK_A, command)
    assert w.result(command.id).error == "BAD_SIGNATURE"
    w.run(200)
    assert times(w, session.REQUEST_KEYSET) == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"expires_at": T0 - 1}, "EXPIRED_COMMAND"),
        ({"version": 3}, "MALFORMED"),
        ({"document": b""}, "MALFORMED"),
        ({"document": bytes(3000)}, "TOO_LARGE"),
        ({"document": config_document(LOCK_A, 2)}, "MALFORMED"),
        ({"what": "config"}, "MALFORMED"),
        ({"what": "ack"}, "MALFORMED"),
    ],
)
def test_a_document_command_that_cannot_be_carried_says_why(world, change, error):
    w = world([LOCK_A])
    command = keyset_put(2).model_copy(update=change)
    w.command(LOCK_A, command)
    assert w.results(command.id)[0].error == error
    w.run(70)
    assert w.locks[LOCK_A].documents == 0


def test_another_locks_configuration_or_acknowledgement_is_refused_at_once(world):
    w = world([LOCK_A])
    for what, document in (
        ("config", config_document(LOCK_B, 2)),
        ("ack", ack_document(LOCK_B, 2)),
    ):
        command = put(what, 2, document)
        w.command(LOCK_A, command)
        assert w.results(command.id)[0].error == "MALFORMED"


def test_a_document_past_its_time_is_not_carried(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    command = put("keyset", 2, keyset_document(2), expires_at=T0 + 20)
    w.command(LOCK_A, command)
    w.run(60)
    assert w.results(command.id)[-1].error == "EXPIRED_COMMAND"
    w.out_of_range.clear()
    w.run(400)
    assert w.locks[LOCK_A].trust.keyset.version == 1


@pytest.mark.parametrize("value", [None, True, -1, "2", [2], 1 << 41])
def test_a_lock_that_says_no_version_fails_the_visit(world, value):
    w = world([LOCK_A])
    w.locks[LOCK_A].replies[session.REQUEST_KEYSET] = (session.OK, value)
    w.command(LOCK_A, keyset_put(2))
    w.run(1)
    assert any("no number" in note.text for note in w.notes)


def test_a_lock_that_takes_a_document_and_still_holds_the_old_one_is_not_besieged(world):
    w = world([LOCK_A], Settings(sync_interval_s=60))
    w.locks[LOCK_A].replies[session.REQUEST_KEYSET] = (session.OK, 1)
    w.command(LOCK_A, keyset_put(2))
    w.run(300)
    assert times(w, session.REQUEST_KEYSET) <= 6


def test_a_keyset_reaches_a_lock_that_refuses_our_token_for_its_time(world):
    w = world([LOCK_A])
    w.locks[LOCK_A].token_time = unknown()
    command = keyset_put(2)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok
    assert w.locks[LOCK_A].requests[0] == session.REQUEST_KEYSET
