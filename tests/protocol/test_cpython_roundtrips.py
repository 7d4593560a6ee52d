"""Whatever a document or message says comes back from its bytes, to the byte (Hypothesis)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import audit, cbor, keys, keyset, lockconfig, pin, session, signedtime, statuslist
from protocol import token as tokens
from protocol.audit import Head, Record
from protocol.keyset import IssuerKey, Keyset
from protocol.lockconfig import DoorConfig, LockConfig
from protocol.session import Challenge, Outcome
from protocol.signedtime import SignedTime
from protocol.statuslist import StatusHeader
from protocol.timebound import FOREVER, TimeBound
from protocol.token import Token, Weekly
from tests.protocol import support
from tests.protocol.test_cpython_properties import VALUES

UINT = st.integers(0, (1 << 64) - 1)
COUNTER = st.integers(1, (1 << 64) - 1)
TIMES = st.integers(0, FOREVER - 1)
ID_TEXT = st.text(tokens.LOCK_ID_ALPHABET, min_size=8, max_size=8)
GROUP_IDS = ID_TEXT.map("+".__add__)


def exactly(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


@st.composite
def bounds(draw: Any) -> TimeBound:
    lo = draw(TIMES)
    return TimeBound(lo, draw(st.integers(lo, FOREVER) | st.just(FOREVER)))


@st.composite
def token_claims(draw: Any) -> Token:
    start = draw(st.integers(1, FOREVER - 2))
    window = st.tuples(st.integers(0, 10079), st.integers(1, 10080))
    weeks = st.builds(Weekly, st.integers(-840, 840), st.lists(window, min_size=1, max_size=8))
    audience = draw(ID_TEXT | GROUP_IDS)
    return Token(
        audience,
        start,
        draw(st.integers(start + 1, FOREVER - 1)),
        draw(st.integers(1, FOREVER - 1)),
        draw(exactly(8)),
        draw(st.integers(1, tokens.ALL_PERMISSIONS)),
        draw(st.integers(1, 255)),
        draw(st.none() | weeks),
        draw(st.booleans()) and audience[0] != "+",
    )


def fields_of(value: Any) -> Any:
    """A document as plain values, to be compared."""
    if isinstance(value, list | tuple):
        return [fields_of(item) for item in value]
    if isinstance(value, dict):
        return {key: fields_of(item) for key, item in value.items()}
    return fields_of(vars(value)) if hasattr(value, "__dict__") else value


def comes_back(value: Any, encode: Any, decode: Any) -> None:
    raw = encode(value)
    seen = decode(raw)
    assert fields_of(seen) == fields_of(value)
    assert encode(seen) == raw


@given(token_claims())
def test_tokens(token: Token) -> None:
    comes_back(token, tokens.encode_claims, tokens.decode_claims)


@given(token_claims(), TIMES, st.integers(0, 1 << 20))
def test_the_window_that_counts_lies_within_the_token(token: Token, t: int, doubt: int) -> None:
    start, end = token.window(t)
    assert token.not_before <= start
    assert end <= token.expires_at
    if token.relation(TimeBound(t, min(t + doubt, FOREVER))) == "inside":
        assert token.not_before <= start <= t < end <= token.expires_at


def issuer_keys() -> st.SearchStrategy[list[IssuerKey]]:
    row = st.builds(IssuerKey, exactly(32), COUNTER, UINT, UINT, UINT)
    return st.lists(row, min_size=1, max_size=16, unique_by=lambda key: keys.key_id(key.public_key))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=32),
    COUNTER,
    TIMES,
    issuer_keys(),
    st.dictionaries(st.integers(1, 255), exactly(32), min_size=1, max_size=2),
    st.lists(exactly(32), min_size=2, max_size=2, unique_by=keys.key_id),
)
def test_keysets(
    town: str, version: int, issued_at: int, rows: list, vaults: dict, roots: list
) -> None:
    made = Keyset(town, version, issued_at, rows, vaults, tuple(roots))
    comes_back(made, keyset.encode, keyset.decode)


FIGURES = st.fixed_dictionaries(
    {name: st.integers(least, most) for name, least, most, _ in lockconfig.FIGURES.values()}
)


@given(ID_TEXT, COUNTER, TIMES, st.lists(GROUP_IDS, max_size=16), FIGURES)
def test_configurations(
    lock_id: str, version: int, issued_at: int, groups: list, figures: dict
) -> None:
    made = LockConfig(lock_id, version, issued_at, groups, DoorConfig(**figures))
    comes_back(made, lockconfig.encode, lockconfig.decode)


@given(ID_TEXT, exactly(16), st.integers(3600, FOREVER - 3601), st.integers(0, 3600))
def test_signed_time(lock_id: str, nonce: bytes, t: int, error_s: int) -> None:
    comes_back(SignedTime(lock_id, nonce, t, error_s), signedtime.encode, signedtime.decode)


MIN_IAT = st.tuples(exactly(4), st.none() | ID_TEXT | GROUP_IDS, TIMES)


@given(
    st.builds(
        StatusHeader,
        ID_TEXT,
        COUNTER,
        TIMES,
        UINT,
        st.lists(MIN_IAT, max_size=16),
        st.integers(0, statuslist.MAX_ENTRIES),
        exactly(32),
    )
)
def test_headers_of_status_lists(header: StatusHeader) -> None:
    comes_back(header, statuslist.encode, statuslist.decode)


CODES = st.integers(0, 1 << 32)
SUBJECTS = st.none() | exactly(8)
RECORDS = st.builds(
    Record, UINT, bounds(), CODES, CODES, CODES, SUBJECTS, st.none() | UINT, exactly(32)
)


@given(RECORDS)
def test_audit_records(record: Record) -> None:
    comes_back(record, audit.encode_record, audit.decode_record)


@given(st.lists(RECORDS, max_size=4), exactly(16), exactly(32), UINT, st.integers(1, 255))
def test_parcels(records: list, salt: bytes, kdk: bytes, first: int, epoch: int) -> None:
    run = [audit.encode_record(record) for record in records]
    head = Head(support.LOCK, 1, first, b"")
    raw, seal = audit.pack(support.aes, kdk, salt, head, epoch, run)
    assert audit.unpack(support.aes, kdk, raw, seal) == run
    parcel = audit.decode_parcel(raw)
    assert (parcel.first_seq, parcel.count, parcel.salt) == (first, len(run), salt)


@given(st.builds(Head, ID_TEXT, UINT, UINT, exactly(32)), exactly(16))
def test_acknowledgements_and_heads(head: Head, nonce: bytes) -> None:
    comes_back(head, audit.encode_ack, audit.decode_ack)
    seen, said = audit.decode_head(audit.encode_head(head, nonce))
    assert (fields_of(seen), said) == (fields_of(head), nonce)


@given(
    st.builds(
        Challenge,
        ID_TEXT,
        exactly(16),
        bounds(),
        st.tuples(UINT, UINT, UINT),
        st.lists(UINT, min_size=1, max_size=2),
        st.integers(20, 509),
        UINT,
    )
)
def test_challenges(challenge: Challenge) -> None:
    comes_back(
        challenge,
        lambda made: session.encode_challenge(made)[1:],
        session.decode_challenge,
    )


PLAIN = VALUES.filter(lambda value: "Tag" not in repr(value) and _shallow(value))


def _shallow(value: Any) -> bool:
    """Whether it still fits one level down."""
    try:
        cbor.encode([value])
    except cbor.CborError:
        return False
    return True


@given(UINT, st.dictionaries(UINT, UINT, max_size=4), UINT, exactly(32))
def test_outcomes(reason: int, detail: dict, head_seq: int, head_hash: bytes) -> None:
    made = Outcome(reason, detail, head_seq, head_hash)
    comes_back(made, lambda each: session.encode_outcome(each)[1:], session.decode_outcome)


@given(UINT, UINT, PLAIN)
def test_requests_and_replies(counter: int, number: int, value: Any) -> None:
    members = (counter, number, value)
    assert session.decode_request(session.encode_request(*members)[1:]) == members
    assert session.decode_reply(session.encode_reply(*members)[1:]) == members


@given(exactly(16), st.binary(max_size=256), UINT)
def test_presentations(nonce: bytes, raw_token: bytes, command: int) -> None:
    members = (nonce, raw_token, command)
    assert session.open_presentation(session.encode_presentation(*members)) == members


@given(UINT)
def test_greetings(version: int) -> None:
    assert session.decode_hello(session.encode_hello(version)[1:]) == version


BLOCK = support.aes(bytes(range(32)))


@given(st.integers(0, 10**10 - 1))
def test_any_ten_digits_are_a_pin_that_encodes_to_them_or_none(number: int) -> None:
    digits = f"{number:010}"
    found = pin.decode(BLOCK, support.LOCK, digits)
    assert found is None or pin.encode(BLOCK, support.LOCK, found) == digits


@given(st.integers(0, 19_531_249), st.sampled_from(pin.LENGTHS_QUARTERS), st.integers(0, 31))
def test_any_window_of_a_pin_comes_back(quarter: int, quarters: int, serial: int) -> None:
    made = pin.Pin(900 * quarter, quarters, serial)
    seen = pin.decode(BLOCK, support.LOCK, pin.encode(BLOCK, support.LOCK, made))
    assert seen is not None
    assert fields_of(seen) == fields_of(made)


@pytest.mark.parametrize("quarter", [19_531_250, 1 << 40])
def test_a_window_beyond_the_last_pin_is_refused(quarter: int) -> None:
    with pytest.raises(pin.PinError):
        pin.Pin(900 * quarter, 1, 0)
