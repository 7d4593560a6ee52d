"""Vectors of status lists and audit records.

One function per file of protocol/vectors; called by generate_vectors.py.
"""

from __future__ import annotations

from typing import Any

from protocol import audit, cbor, keys, reasons, statuslist, timebound
from protocol.audit import Head, Record
from protocol.crypto import aes_ctr
from protocol.timebound import TimeBound
from tests.protocol import support
from tests.protocol.generate_documents import replaced
from tests.protocol.generate_town import KDK, LOCK_NONCE, document_row, kid, sign
from tests.protocol.support import EPOCH, GROUP, LOCK, NOON, OTHER_LOCK, T0, T1

# --- status list ---


def name_of(number: int) -> bytes:
    return number.to_bytes(6, "big") + b"--"


def statuslist_vectors() -> dict[str, Any]:
    hour = T1 // 3600
    revoked = [(name_of(n), T1 + 3600 * n) for n in (9, 1, 5)]
    rows = [(kid("booking"), None, T0 - 86400), (kid("staff"), GROUP, T0)]
    header, entries = statuslist.build(LOCK, 4, NOON, revoked, rows)
    held = statuslist.in_memory(header, entries)
    added = [(name_of(n), T1 + 3600 * n) for n in (5, 7, 12)]
    kept = hour + 4
    newer, merged = statuslist.build(LOCK, 5, T1, [*revoked, *added], rows, kept)
    additions = b"".join(sorted(statuslist.entry(*each) for each in added))
    return {
        **document_row("status", statuslist.encode(header), statuslist.CONTEXT),
        "fields": header_fields(header),
        "entries": entries.hex(),
        "questions": question_rows(held),
        "listed": [{"name": name_of(n).hex(), "listed": held.lists(name_of(n))} for n in range(11)],
        "delta": {
            **document_row("status", statuslist.encode(newer), statuslist.CONTEXT),
            "fields": header_fields(newer),
            "base_version": 4,
            "additions": additions.hex(),
            "entries": merged.hex(),
        },
        "ten_additions": ten_additions(),
        "largest": largest_header().hex(),
        "hours": hour_rows(),
        "order": order_rows(entries),
        "refused": refused_headers(cbor.decode(statuslist.encode(header))),
    }


def ten_additions() -> dict[str, Any]:
    """A delta as it travels: what ten withdrawals cost at a lock that holds a long list."""
    header, _ = statuslist.build(
        LOCK, 900, NOON, [(name_of(n), T1) for n in range(1000)], [], T0 // 3600
    )
    document = sign("status", statuslist.encode(header), statuslist.CONTEXT)
    additions = b"".join(statuslist.entry(name_of(n), T1) for n in range(990, 1000))
    argument = cbor.encode([document, 899, additions])
    return {"argument": argument.hex(), "bytes": len(argument)}


def header_fields(header: statuslist.StatusHeader) -> dict[str, Any]:
    rows = [[kid_.hex(), audience, least] for kid_, audience, least in header.min_iat]
    return {**vars(header), "min_iat": rows, "digest": header.digest.hex()}


def question_rows(held: statuslist.StatusList) -> list[dict[str, Any]]:
    asked = [(name_of(n), kid("booking"), LOCK, T0) for n in (0, 1, 2, 5, 8, 9, 10)]
    asked += [
        (bytes(8), kid("booking"), LOCK, T0 - 86401),
        (bytes(8), kid("booking"), GROUP, T0 - 86401),
        (bytes(8), kid("booking"), LOCK, T0 - 86400),
        (bytes(8), kid("staff"), GROUP, T0 - 1),
        (bytes(8), kid("staff"), GROUP, T0),
        (bytes(8), kid("staff"), LOCK, T0 - 1),
        (bytes(8), kid("emergency"), LOCK, 1),
    ]
    return [
        {
            "cti": cti.hex(),
            "kid": kid_.hex(),
            "audience": audience,
            "issued_at": issued_at,
            "revoked": held.revokes(cti, kid_, audience, issued_at),
        }
        for cti, kid_, audience, issued_at in asked
    ]


def largest_header() -> bytes:
    """As many rows and entries as there may be."""
    last = timebound.FOREVER - 1
    rows = [(kid("booking"), None, last - n) for n in range(statuslist.MAX_MIN_IAT_ROWS)]
    count = statuslist.MAX_ENTRIES
    header = statuslist.StatusHeader(LOCK, 1, last, (1 << 64) - 1, rows, count, bytes(32))
    return statuslist.encode(header)


def hour_rows() -> list[dict[str, Any]]:
    """Entries by the second of expiry, and whether they are kept from an hour on."""
    wrap = 8 * 65536
    rows = []
    for expires_at in (wrap * 3600 - 1, wrap * 3600, wrap * 3600 + 1, T1, T1 + 1, T1 + 3599):
        made = statuslist.entry(name_of(1), expires_at)
        for kept in (0, wrap - 1, wrap, wrap + 1, T1 // 3600, T1 // 3600 + 1, wrap - 32767):
            rows.append(
                {
                    "expires_at": expires_at,
                    "entry": made.hex(),
                    "kept_from_hour": kept,
                    "kept": statuslist.is_kept(made, kept),
                }
            )
    return rows


def order_rows(entries: bytes) -> list[dict[str, Any]]:
    first, second = entries[:8], entries[8:16]
    rows = (
        ("the first", b"", first, True),
        ("sorted", first, second, True),
        ("not sorted", second, first, False),
        ("twice", first, first, False),
        ("half an entry", first, second[:4], False),
        ("no entry", b"", b"", False),
    )
    return [
        {"why": why, "previous": previous.hex(), "entry": each.hex(), "good": good}
        for why, previous, each, good in rows
    ]


def refused_headers(good: list) -> list[dict[str, str]]:
    row = [kid("booking"), None, 5]
    return replaced(
        good,
        ("no lock", 0, ""),
        ("version 0", 1, 0),
        ("version below zero", 1, -1),
        ("issued beyond any time", 2, timebound.FOREVER),
        ("a first hour that is no number", 3, None),
        ("a row beyond any time", 4, [[*row[:2], timebound.FOREVER]]),
        ("a row that is no time", 4, [[*row[:2], None]]),
        ("17 rows of min_iat", 4, [row] * 17),
        ("a row with a short kid", 4, [[bytes(3), None, 5]]),
        ("a row for a nameless audience", 4, [[row[0], "gym", 5]]),
        ("a row of two", 4, [row[:2]]),
        ("a row for a group with another mark", 4, [[row[0], "-gymnasia", 5]]),
        ("2001 entries", 5, 2001),
        ("a digest of 31 bytes", 6, bytes(31)),
        ("the entries instead of their number", 5, bytes(8)),
    )


# --- audit ---


def audit_vectors() -> dict[str, Any]:
    run = audit_run()
    start = audit.genesis(LOCK, 1)
    edited = [run[0], run[1].replace(b"\x01\x02\x03", b"\x01\x02\x04"), *run[2:]]
    broken = (
        ("edited", edited, 0, start),
        ("one missing", [run[0], *run[2:]], 0, start),
        ("out of order", [run[0], run[2], run[1]], 0, start),
        ("of another lock", run, 0, audit.genesis(OTHER_LOCK, 1)),
        ("begins later", run[1:], 0, start),
        ("another number", run[1:], 2, audit.record_hash(run[0])),
        ("another predecessor", run[1:], 1, start),
    )
    head = Head(LOCK, 1, len(run) - 1, audit.record_hash(run[-1]))
    return {
        "lock_id": LOCK,
        "vault_epoch": EPOCH,
        "journal_epoch": 1,
        "kdk": KDK.hex(),
        "genesis": start.hex(),
        "records": [raw.hex() for raw in run],
        "hashes": [audit.record_hash(raw).hex() for raw in run],
        "fields": [record_fields(raw) for raw in run],
        "audit_key": keys.audit_key(KDK).hex(),
        "parcel": parcel_row(run),
        "ack": {
            **document_row("ack", audit.encode_ack(head), audit.ACK_CONTEXT),
            "fields": head_fields(head),
        },
        "head": {
            **document_row("lock", audit.encode_head(head, LOCK_NONCE), audit.HEAD_CONTEXT),
            "fields": head_fields(head),
            "nonce": LOCK_NONCE.hex(),
        },
        "broken": [
            {
                "why": why,
                "records": [raw.hex() for raw in records],
                "next_seq": next_seq,
                "previous": previous.hex(),
            }
            for why, records, next_seq, previous in broken
        ],
        "refused_records": refused_records(run[1]),
        "extreme_records": extreme_records(),
        "refused_parcels": refused_parcels(run),
        "refused_acks": refused_heads(audit.encode_ack(head)),
        "refused_heads": [
            *refused_heads(audit.encode_head(head, LOCK_NONCE)),
            *replaced(
                cbor.decode(audit.encode_head(head, LOCK_NONCE)),
                ("a nonce of 15 bytes", 4, bytes(15)),
            )[:1],
        ],
    }


def extreme_records() -> list[str]:
    """The smallest and the largest record."""
    most, last = (1 << 64) - 1, timebound.FOREVER - 1
    times = TimeBound(0, 0), TimeBound(last, last)
    small = Record(0, times[0], 0, 0, 0, None, None, bytes(32))
    large = Record(most, times[1], most, most, most, bytes(8), most, bytes(32))
    return [audit.encode_record(small).hex(), audit.encode_record(large).hex()]


def refused_heads(payload: bytes) -> list[dict[str, str]]:
    return replaced(
        cbor.decode(payload),
        ("no lock", 0, "KITAGUCH"),
        ("no epoch", 1, None),
        ("a record below zero", 2, -1),
        ("a hash of 33 bytes", 3, bytes(33)),
    )


def refused_parcels(run: list[bytes]) -> list[dict[str, str]]:
    """Parcels under the right seal all the same, so that the form alone is what is wrong."""
    salt = bytes(16)
    raw, _ = audit.pack(support.aes, KDK, salt, Head(LOCK, 1, 0, b""), EPOCH, run[:1])
    good = cbor.decode(raw)
    block = support.aes(keys.audit_cipher_key(KDK, salt))

    def hidden(value: Any) -> bytes:
        return aes_ctr(block, cbor.encode(value))

    rows = replaced(
        good,
        ("no lock", 0, None),
        ("a vault epoch below zero", 1, -1),
        ("no journal epoch", 2, None),
        ("a first record that is no number", 3, True),
        ("another count", 4, 2),
        ("a salt of 15 bytes", 5, bytes(15)),
        ("a salt that is text", 5, "0123456789abcdef"),
        ("nothing hidden", 6, None),
        ("no array hidden", 6, hidden(run[0])),
        ("records that are not in byte strings", 6, hidden([cbor.decode(run[0])])),
    )
    for row in rows:
        row["seal"] = audit.seal(keys.audit_key(KDK), bytes.fromhex(row["payload"])).hex()
    unsealed = {"why": "another seal", "payload": raw.hex(), "seal": bytes(16).hex()}
    return [*rows, unsealed]


def record_fields(raw: bytes) -> dict[str, Any]:
    record = audit.decode_record(raw)
    return {
        **vars(record),
        "time": timebound.to_wire(record.time),
        "subject": None if record.subject is None else record.subject.hex(),
        "previous": record.previous.hex(),
    }


def head_fields(head: Head) -> dict[str, Any]:
    return {**vars(head), "record_hash": head.record_hash.hex()}


def parcel_row(run: list[bytes]) -> dict[str, Any]:
    salt = bytes(range(0x40, 0x50))
    raw, seal = audit.pack(support.aes, KDK, salt, Head(LOCK, 1, 0, b""), EPOCH, run)
    parcel = audit.decode_parcel(raw)
    empty, empty_seal = audit.pack(support.aes, KDK, salt, Head(LOCK, 1, 4, b""), EPOCH, [])
    return {
        "first_seq": 0,
        "salt": salt.hex(),
        "cipher_key": keys.audit_cipher_key(KDK, salt).hex(),
        "plain": cbor.encode(run).hex(),
        "hidden": parcel.hidden.hex(),
        "parcel": raw.hex(),
        "seal": seal.hex(),
        "empty": empty.hex(),
        "empty_seal": empty_seal.hex(),
    }


def refused_records(raw: bytes) -> list[dict[str, str]]:
    good = cbor.decode(raw)
    return replaced(
        good,
        ("a sequence number below zero", 0, -1),
        ("no earliest time", 1, None),
        ("for ever in numbers", 2, timebound.FOREVER),
        ("a code below zero", 4, -1),
        ("a source that is no number", 5, True),
        ("a subject that is text", 6, "12345678"),
        ("a value that is no number", 7, False),
        ("latest before earliest", 2, 1),
        ("later than any time", 2, timebound.FOREVER + 1),
        ("an event that is no number", 3, "2"),
        ("a subject of 6 bytes", 6, bytes(6)),
        ("a value below zero", 7, -1),
        ("a short hash", 8, bytes(31)),
    )


def audit_run() -> list[bytes]:
    """One record of every kind."""
    cti, now, never = support.make_token().cti, TimeBound(NOON, NOON + 2), timebound.unknown()
    none, holder = audit.SOURCE_NONE, audit.SOURCE_HOLDER
    operation = audit.LOCK_OPERATION
    events = (
        (never, audit.BOOT, 0, none, None, None),
        (now, operation, audit.OPERATION_UNLOCK, holder, cti, None),
        (now, operation, audit.OPERATION_UNLOCK, audit.SOURCE_REMOTE, cti, T1),
        (now, audit.LOCK_OPERATION_ERROR, reasons.EXPIRED, holder, cti, None),
        (now, operation, audit.OPERATION_LOCK, audit.SOURCE_AUTO, None, None),
        (now, operation, audit.OPERATION_HOLD_OPEN, holder, cti, None),
        (now, operation, audit.OPERATION_EVACUATE, holder, cti, None),
        (now, audit.DOOR_LOCK_ALARM, audit.ALARM_EVACUATION, holder, cti, None),
        (now, audit.DOOR_STATE, audit.DOOR_OPEN, none, None, None),
        (now, audit.STATUS_LIST, 4, none, None, None),
        (now, audit.KEYSET, 2, none, None, None),
        (now, audit.CONFIG, 7, none, None, None),
        (TimeBound(NOON), audit.TIME, audit.TIME_CHECKPOINT, none, None, NOON),
        (now, audit.TIME, audit.TIME_SET, none, None, NOON),
        (now, audit.GAP, 12, none, None, 40),
        (now, audit.PIN_ATTEMPT, 0, audit.SOURCE_KEYPAD, None, 3),
        (now, operation, audit.OPERATION_UNLOCK, audit.SOURCE_KEYPAD, b"pin-name", None),
        (now, audit.KEYPAD, audit.KEYPAD_CLEARED, holder, cti, None),
    )
    run: list[bytes] = []
    previous = audit.genesis(LOCK, 1)
    for seq, event in enumerate(events):
        run.append(audit.encode_record(Record(seq, *event, previous)))
        previous = audit.record_hash(run[-1])
    return run
