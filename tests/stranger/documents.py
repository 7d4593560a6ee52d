"""Tokens and the other signed documents: token.md and sections 7 and 8 of wire.md."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tests.stranger.cbor import decode, encode, need
from tests.stranger.wire import (
    FOREVER,
    aes_ctr,
    array,
    audience,
    bstr,
    derived,
    group_id,
    interval,
    kid,
    labelled_mac,
    lock_id,
    time,
    uint,
)

WEEKLY, ONCE = -65537, -65538
# Number of a figure: least, most, default.
FIGURES = {
    1: (500, 600_000, 5000),
    2: (100, 30_000, 2000),
    3: (0, 10_000, 500),
    4: (1000, 3_600_000, 120_000),
    5: (1000, 600_000, 5000),
    6: (0, 3600, 0),
    7: (0, 1, 1),
    8: (0, 86_400, 28_800),
}


class Envelope(NamedTuple):
    kid: bytes
    payload: bytes
    signed: bytes  # the Sig_structure
    signature: bytes


def envelope(raw: bytes, context: str = "") -> Envelope:
    """The one form of a COSE_Sign1; `context` is its external_aad."""
    protected, unprotected, payload, signature = array(decode(raw, tag=18), 4)
    header = decode(bstr(protected))
    need(type(header) is dict and list(header) == [1, 4], "another header")
    need(type(header[1]) is int and header[1] == -19 and unprotected == {}, "another algorithm")
    signed = encode(["Signature1", protected, context.encode(), bstr(payload)])
    return Envelope(bstr(header[4], 4), payload, signed, bstr(signature, 64))


def verified(public_key: bytes, found: Envelope) -> bool:
    try:
        VerifyKey(public_key).verify(found.signed, found.signature)
    except BadSignatureError:
        return False
    return True


# --- tokens -------------------------------------------------------------------------------------


class Token(NamedTuple):
    envelope: Envelope
    audience: str
    expires_at: int
    not_before: int
    issued_at: int
    cti: bytes
    epoch: int
    permissions: int
    weekly: tuple[int, list[list[int]]] | None
    once: bool


def token(raw: bytes) -> Token:
    need(len(raw) <= 256, "too long a token")
    found = envelope(raw)
    claims = decode(found.payload)
    need(type(claims) is dict and set(range(3, 10)) <= set(claims), "a claim is missing")
    need(set(claims) <= {*range(3, 10), WEEKLY, ONCE}, "a claim too many")
    aud, exp, nbf, iat = audience(claims[3]), time(claims[4]), time(claims[5]), time(claims[6])
    need(0 < nbf < exp and iat > 0, "no window")
    need(type(claims[8]) is dict and list(claims[8]) == [3], "another cnf")
    epoch = bstr(claims[8][3], 1)[0]
    need(epoch > 0, "epoch 0")
    door, permissions = array(array(decode(bstr(claims[9])), 1)[0], 2)
    need(door == "door", "another scope")
    uint(permissions, 127, 1)
    need(claims.get(ONCE, True) is True, "not single, and says so")
    need(ONCE not in claims or aud[0] != "+", "single for a group")
    hours = weekly(claims[WEEKLY]) if WEEKLY in claims else None
    cti = bstr(claims[7], 8)
    return Token(found, aud, exp, nbf, iat, cti, epoch, permissions, hours, ONCE in claims)


def weekly(value: Any) -> tuple[int, list[list[int]]]:
    offset, windows = array(value, 2)
    uint(offset, 840, -840)
    for window in array(windows, 1, 8):
        start, length = array(window, 2)
        uint(start, 10_079), uint(length, 10_080, 1)
    return offset, windows


def window(found: Token, lo: int) -> tuple[int, int] | None:
    """The seconds [start, end) that count for a lock that knows the time is at least `lo`."""
    if found.weekly is None:
        return found.not_before, found.expires_at
    offset, windows = found.weekly
    from_ = max(lo, found.not_before)
    monday = (from_ - 4 * 86_400) // 604_800 * 604_800 + 4 * 86_400
    spans = [
        (at, at + length * 60)
        for week in range(-2, 3)
        for start, length in windows
        for at in [monday + week * 604_800 + (start - offset) * 60]
    ]
    start, end = min(span for span in spans if span[1] > from_)
    start, end = max(start, found.not_before), min(end, found.expires_at)
    return (start, end) if start < end else None


def relation(found: Token, lo: int, hi: int | None) -> str:
    counts = window(found, lo)
    latest = FOREVER if hi is None else hi
    if counts is None or lo >= counts[1]:
        return "after"
    if latest < counts[0]:
        return "before"
    return "inside" if counts[0] <= lo and latest < counts[1] else "unsure"


# --- keyset, configuration, time, status --------------------------------------------------------


class Key(NamedTuple):
    role: int
    public_key: bytes
    permissions: int
    max_lifetime_s: int
    max_ahead_s: int


class Keyset(NamedTuple):
    town: str
    version: int
    issued_at: int
    keys: dict[bytes, Key]  # by kid
    vaults: dict[int, bytes]  # by epoch
    roots: list[bytes]


def keyset(payload: bytes) -> Keyset:
    town, version, issued_at, rows, vaults, roots = array(decode(payload), 6)
    need(type(town) is str and 1 <= len(town) <= 32, "no town")
    keys = [_key(row) for row in array(rows, 1, 16)]
    by_kid = {kid(key.public_key): key for key in keys}
    need(len(by_kid) == len(keys), "two keys with one kid")
    pairs = [array(row, 2) for row in array(vaults, 1, 2)]
    epochs = {uint(epoch, 255, 1): bstr(vault, 32) for epoch, vault in pairs}
    need(len(epochs) == len(pairs), "one epoch twice")
    kids = {kid(bstr(root, 32)) for root in array(roots, 2)}
    need(len(kids) == 2, "two roots with one kid")
    return Keyset(town, uint(version, least=1), time(issued_at), by_kid, epochs, roots)


def _key(row: Any) -> Key:
    role, public_key, permissions, lifetime, ahead = array(row, 5)
    numbers = uint(permissions), uint(lifetime), uint(ahead)
    return Key(uint(role, least=1), bstr(public_key, 32), *numbers)


def follows(held: Keyset, brought: Keyset) -> bool:
    kept = set(held.roots) & set(brought.roots)
    return brought.town == held.town and brought.version > held.version and bool(kept)


class Configuration(NamedTuple):
    lock: str
    version: int
    issued_at: int
    groups: list[str]
    figures: dict[int, int]


def configuration(payload: bytes) -> Configuration:
    lock, version, issued_at, groups, figures = array(decode(payload), 5)
    for group in array(groups, 0, 16):
        group_id(group)
    need(type(figures) is dict, "no figures")
    for number, value in figures.items():
        need(number in FIGURES, "an unknown figure")
        uint(value, FIGURES[number][1], FIGURES[number][0])
    defaults = {number: default for number, (_, _, default) in FIGURES.items()}
    whole = {**defaults, **figures}
    return Configuration(lock_id(lock), uint(version, least=1), time(issued_at), groups, whole)


def signed_time(payload: bytes) -> tuple[str, bytes, int, int]:
    lock, nonce, t, error = array(decode(payload), 4)
    need(uint(error, 3600) <= time(t), "a time before 1970")
    time(t + error)
    return lock_id(lock), bstr(nonce, 16), t, error


class Header(NamedTuple):
    lock: str
    version: int
    issued_at: int
    kept_from_hour: int
    rows: list[tuple[bytes, str | None, int]]
    count: int
    digest: bytes


def header(payload: bytes) -> Header:
    lock, version, issued_at, kept, rows, count, digest = array(decode(payload), 7)
    found = [tuple(array(row, 3)) for row in array(rows, 0, 16)]
    for key, aud, iat in found:
        bstr(key, 4), time(iat)
        if aud is not None:
            audience(aud)
    lock, version, count = lock_id(lock), uint(version, least=1), uint(count, 2000)
    return Header(lock, version, time(issued_at), uint(kept), found, count, bstr(digest, 32))


def entry(cti: bytes, expires_at: int) -> bytes:
    return cti[:6] + (-(-expires_at // 3600) % 65_536).to_bytes(2, "big")


def kept(found: bytes, kept_from_hour: int) -> bool:
    later = (int.from_bytes(found[6:], "big") - kept_from_hour) % 65_536 < 32_768
    return kept_from_hour == 0 or later


def split(entries: bytes) -> list[bytes]:
    need(len(entries) % 8 == 0, "half an entry")
    found = [entries[at : at + 8] for at in range(0, len(entries), 8)]
    need(all(a < b for a, b in zip(found, found[1:], strict=False)), "not sorted")
    return found


def whole(found: Header, entries: bytes) -> bool:
    same = hashlib.sha256(entries).digest() == found.digest
    return len(split(entries)) == found.count and same


def merged(held: bytes, found: Header, additions: bytes) -> bytes:
    """What a delta makes of the entries held; the header says whether that is right."""
    still = [item for item in split(held) if kept(item, found.kept_from_hour)]
    return b"".join(sorted({*still, *split(additions)}))


def revoked(
    entries: bytes, rows: Sequence[Sequence[Any]], cti: bytes, key: bytes, aud: str, iat: int
) -> bool:
    if any(item[:6] == cti[:6] for item in split(entries)):
        return True
    return any(k == key and a in (None, aud) and least > iat for k, a, least in rows)


# --- audit --------------------------------------------------------------------------------------


def genesis(lock: str, journal_epoch: int) -> bytes:
    return hashlib.sha256(encode(["kannuki-audit", lock, journal_epoch])).digest()


def record(raw: bytes) -> list[Any]:
    need(len(raw) <= 112, "too long a record")
    found = array(decode(raw), 9)
    seq, lo, hi, event, code, source, subject, value, previous = found
    uint(seq), interval(lo, hi), uint(event), uint(code), uint(source), bstr(previous, 32)
    if subject is not None:
        bstr(subject, 8)
    if value is not None:
        uint(value)
    return found


def chain(records: list[bytes], next_seq: int, previous: bytes) -> bytes:
    """The hash of the last record; `Refused` where the chain is broken."""
    for raw in records:
        found = record(raw)
        need(found[0] == next_seq and found[8] == previous, "the chain is broken")
        next_seq, previous = next_seq + 1, hashlib.sha256(raw).digest()
    return previous


def seal(secret: bytes, parcel: bytes) -> bytes:
    digest = hashlib.sha256(parcel).digest()
    return labelled_mac(derived(secret, "audit"), "kannuki1-audit", digest)


def opened(secret: bytes, parcel: bytes) -> tuple[list[Any], list[bytes]]:
    """[lock, vault epoch, journal epoch, first seq, count] and the raw records of a parcel."""
    *about, salt, hidden = array(decode(parcel), 7)
    lock_id(about[0]), [uint(number) for number in about[1:]]
    plain = aes_ctr(derived(secret, "audit-cipher", bstr(salt, 16)), bstr(hidden))
    records = array(decode(plain), about[4])
    return about, [bstr(raw) for raw in records]


def stand(payload: bytes, nonce: bool) -> list[Any]:
    """[lock, journal epoch, seq, record hash] of an acknowledgement; of a head, its nonce too."""
    found = array(decode(payload), 5 if nonce else 4)
    lock_id(found[0]), uint(found[1]), uint(found[2]), bstr(found[3], 32)
    need(not nonce or len(bstr(found[4])) == 16, "another nonce")
    return found
