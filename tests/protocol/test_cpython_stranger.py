"""An implementation written from the specification alone agrees with every vector.

The other one is `tests/stranger/`. What fails here is a change of the wire, a vector that the text
does not explain, or a text that says something else than the code which made the vectors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.signing
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.stranger import cbor, conduct, documents, lock, pin, wire

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / (name + ".json")).read_text("utf-8"))


def unhex(row: Any, *names: str) -> list[bytes]:
    return [bytes.fromhex(row[name]) for name in names]


def refuses(reader: Callable[[bytes], object], row: Any, member: str = "payload") -> bool:
    try:
        reader(bytes.fromhex(row[member]))
    except cbor.Refused:
        return True
    return False


def plain(value: Any) -> Any:
    """A value of CBOR as cbor.json writes it."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[plain(key), plain(item)] for key, item in value.items()]}
    if type(value) is int and abs(value) >= 1 << 53:
        return {"integer": str(value)}
    return value


def test_cbor():
    vectors = load("cbor")
    for row in vectors["accepted"]:
        value = cbor.decode(bytes.fromhex(row["hex"]))
        assert plain(value) == row["value"], row
        assert cbor.encode(value).hex() == row["hex"]
    for row in vectors["refused"]:
        assert refuses(cbor.decode, row, "hex"), row["why"]


def test_fragments():
    vectors = load("frames")
    for row in vectors["split"]:
        pieces = wire.fragments(bytes.fromhex(row["message"]), row["max_fragment"])
        assert [piece.hex() for piece in pieces] == row["fragments"]
        gatherer = wire.Gatherer()
        gathered = [gatherer.take(piece) for piece in pieces]
        assert gathered == [None] * (len(pieces) - 1) + [bytes.fromhex(row["message"])]
    for row in vectors["refused_at_the_last"]:
        gatherer = wire.Gatherer()
        *before, last = (bytes.fromhex(piece) for piece in row["fragments"])
        assert [gatherer.take(piece) for piece in before] == [None] * len(before)
        with pytest.raises(cbor.Refused):
            gatherer.take(last)
    for row in vectors["joined"]:
        gatherer = wire.Gatherer()
        out = [comes_out(gatherer, bytes.fromhex(piece)) for piece in row["fragments"]]
        assert out == row["comes_out"], row["why"]


def comes_out(gatherer: wire.Gatherer, fragment: bytes) -> str | bool | None:
    try:
        message = gatherer.take(fragment)
    except cbor.Refused:
        return False
    return message and message.hex()


def test_names():
    for row in load("gatt")["names"]:
        assert wire.name_of(row["name"]) == row["lock_id"]


def test_keys():
    vectors = load("keys")
    private, public, vault = unhex(
        vectors, "lock_private_key", "lock_public_key", "vault_public_key"
    )
    for row in vectors["kdk"]:
        names = [vectors["town"], row["lock_id"], row["epoch"], public, vault]
        assert wire.kdk(private, vault, names).hex() == row["kdk"]
    purposes = (("proof_key", "pop", "token"), ("audit_key", "audit", ""), ("pin_key", "pin", ""))
    for member, purpose, more in (*purposes, ("audit_cipher_key", "audit-cipher", "salt")):
        row = vectors[member]
        extra = unhex(row, more) if more else []
        assert wire.derived(bytes.fromhex(row["kdk"]), purpose, *extra).hex() == row["key"]
    for row in vectors["key_id"]:
        assert wire.kid(bytes.fromhex(row["public_key"])).hex() == row["kid"]


def test_claim():
    vectors = load("claim")
    once = ec.derive_private_key(int(vectors["server"]["private_key"], 16), ec.SECP256R1())
    device = bytes.fromhex(vectors["device"]["public_key"])
    wrapped = wire.wrap(once, device, *unhex(vectors, "token", "proof_key"))
    assert wrapped.hex() == vectors["wrapped"]


def test_a_whole_session():
    vectors = load("session")
    token, nonce, key = unhex(vectors, "token", "lock_nonce", "proof_key")
    assert wire.derived(bytes.fromhex(vectors["kdk"]), "pop", token) == key
    hello, challenge, presentation, outcome, request, reply = unhex(
        vectors, "hello", "challenge", "presentation", "outcome", "request", "reply"
    )
    assert wire.message(wire.HELLO, 1) == hello
    said = wire.members(wire.CHALLENGE, challenge)
    assert (said[0], said[1], said[2]) == (1, vectors["lock_id"], nonce)
    holder_nonce = bytes.fromhex(vectors["holder_nonce"])
    assert wire.message(wire.PRESENTATION, holder_nonce, token, 1) == presentation
    spoken = presentation + lock.mac_h(key, hello, challenge, presentation)
    assert spoken[-16:].hex() == vectors["mac_h"]
    wire.members(wire.OUTCOME, outcome)
    assert lock.mac_l(key, hello, challenge, spoken, outcome).hex() == vectors["mac_l"]
    transcript = wire.cat_hash(hello, challenge, presentation, outcome)
    assert transcript.hex() == vectors["transcript"]
    asked, answered = wire.cat_hash(transcript, request), wire.cat_hash(transcript, request, reply)
    assert wire.labelled_mac(key, "kannuki1-h", asked).hex() == vectors["request_mac"]
    assert wire.labelled_mac(key, "kannuki1-l", answered).hex() == vectors["reply_mac"]


def test_other_messages():
    vectors = load("session")
    for row in vectors["requests"]:
        said = wire.members(wire.REQUEST, bytes.fromhex(row["message"]))
        assert (
            said[0] == row["counter"] and wire.message(wire.REQUEST, *said).hex() == row["message"]
        )
    wire.members(wire.REFUSAL, bytes.fromhex(vectors["refusal"]))
    assert wire.members(wire.CHALLENGE, bytes.fromhex(vectors["clock_never_set"]))[3] == [0, None]
    holder = vectors["group_holder"]
    key = bytes.fromhex(holder["proof_keys"]["kitaguch"])
    hello, challenge, spoken = (
        *unhex(vectors, "hello", "challenge"),
        bytes.fromhex(holder["message"]),
    )
    assert spoken[-16:] == lock.mac_h(key, hello, challenge, spoken[:-16])


def test_messages_at_the_edges_of_their_shapes():
    vectors = load("session")["edges"]
    for row in vectors["taken"]:
        wire.members(getattr(wire, row["type"]), bytes.fromhex(row["message"]))
    for row in vectors["refused"]:
        kind = getattr(wire, row["type"])
        with pytest.raises(cbor.Refused):
            wire.members(kind, bytes.fromhex(row["message"]))
            pytest.fail(row["why"])


def test_tokens():
    vectors = load("token")
    for row in vectors["tokens"]:
        found = documents.token(bytes.fromhex(row["token"]))
        assert found.envelope.signed.hex() == row["sig_structure"]
        public_key = bytes.fromhex(vectors["keys"][row["issuer"]]["public_key"])
        assert documents.verified(public_key, found.envelope)
        claims = row["claims"]
        assert (found.audience, found.not_before, found.expires_at, found.issued_at) == (
            claims["audience"],
            claims["not_before"],
            claims["expires_at"],
            claims["issued_at"],
        )
        assert (found.cti.hex(), found.epoch) == (claims["cti"], claims["epoch"])
        assert (found.permissions, found.once) == (claims["permissions"], claims["once"])
        assert (list(found.weekly) if found.weekly else None) == claims["weekly"]
    for row in vectors["refused"]:
        assert refuses(documents.token, row, "token"), row["why"]


@pytest.mark.parametrize("name", ["weeks", "overlapping"])
def test_hours_of_the_week(name: str):
    weeks = load("token")[name]
    found = documents.token(bytes.fromhex(weeks["token"]))
    for row in weeks["windows"]:
        counts = documents.window(found, row["t"])
        if row["window"][1] <= row["t"]:  # how the vectors say that none is left
            assert counts is None or counts[1] <= row["t"], row
        else:
            assert counts == tuple(row["window"]), row
    for row in weeks["relations"]:
        assert documents.relation(found, row["lo"], row["hi"]) == row["relation"], row


def signed(row: Any, name: str) -> bytes:
    """The payload of a document of the vectors, its envelope checked."""
    found = documents.envelope(bytes.fromhex(row["document"]), row["context"])
    public_key = bytes.fromhex(row["public_key"])
    assert row["context"] == name and found.signed.hex() == row["sig_structure"]
    assert found.kid == wire.kid(public_key) and documents.verified(public_key, found)
    return found.payload


def test_keysets():
    vectors = load("keyset")
    for row in vectors["keysets"]:
        found = documents.keyset(signed(row, "kannuki-keyset"))
        fields = row["fields"]
        assert (found.town, found.version) == (fields["town"], fields["version"])
        assert found.issued_at == fields["issued_at"]
        assert [root.hex() for root in found.roots] == fields["roots"]
        assert {kid.hex(): key.role for kid, key in found.keys.items()} == {
            key["kid"]: key["role"] for key in fields["keys"]
        }
        assert [[epoch, key.hex()] for epoch, key in found.vaults.items()] == fields["vaults"]
    for row in vectors["successors"]:
        held, brought = (documents.keyset(raw) for raw in unhex(row, "held", "brought"))
        assert documents.follows(held, brought) == row["taken"], row["why"]
    for row in vectors["refused"]:
        assert refuses(documents.keyset, row), row["why"]


def test_configurations():
    vectors = load("lockconfig")
    for row in vectors["configs"]:
        found = documents.configuration(signed(row, "kannuki-config"))
        assert list(found.figures.values()) == list(row["fields"]["door"].values())
        assert found.groups == row["fields"]["groups"]
    for row in vectors["figures"]:
        bounds = (row["least"], row["most"], row["default"])
        assert documents.FIGURES[row["figure"]] == bounds
    documents.configuration(bytes.fromhex(vectors["defaults"]))
    for row in vectors["refused"]:
        assert refuses(documents.configuration, row), row["why"]


def test_signed_time():
    vectors = load("signedtime")
    for member, context in (("answer", "kannuki-time"), ("reset", "kannuki-time-reset")):
        fields = vectors[member]["fields"]
        wanted = (fields["lock_id"], *unhex(fields, "nonce"), fields["t"], fields["error_s"])
        assert documents.signed_time(signed(vectors[member], context)) == wanted
    documents.signed_time(bytes.fromhex(vectors["widest"]))
    for row in vectors["refused"]:
        assert refuses(documents.signed_time, row), row["why"]


def test_status_list():
    vectors = load("statuslist")
    found = documents.header(signed(vectors, "kannuki-status"))
    entries = bytes.fromhex(vectors["entries"])
    assert documents.whole(found, entries)
    for row in vectors["questions"]:
        about = (*unhex(row, "cti", "kid"), row["audience"], row["issued_at"])
        assert documents.revoked(entries, found.rows, *about) == row["revoked"], row
    for row in vectors["listed"]:
        assert documents.revoked(entries, [], *unhex(row, "name"), b"", "", 0) == row["listed"]
    assert documents.header(bytes.fromhex(vectors["largest"])).count == 2000
    for row in vectors["refused"]:
        assert refuses(documents.header, row), row["why"]


def test_deltas_and_hours():
    vectors = load("statuslist")
    row = vectors["delta"]
    found = documents.header(signed(row, "kannuki-status"))
    merged = documents.merged(*unhex(vectors, "entries"), found, *unhex(row, "additions"))
    assert merged.hex() == row["entries"] and documents.whole(found, merged)
    for row in vectors["hours"]:
        entry = bytes.fromhex(row["entry"])
        assert documents.entry(entry, row["expires_at"]) == entry
        assert documents.kept(entry, row["kept_from_hour"]) == row["kept"], row
    for row in vectors["order"]:
        together = {"payload": row["previous"] + row["entry"]}
        good = bool(row["entry"]) and not refuses(documents.split, together)
        assert good == row["good"], row["why"]
    argument = bytes.fromhex(vectors["ten_additions"]["argument"])
    document, _, additions = cbor.decode(argument)
    documents.header(documents.envelope(document, "kannuki-status").payload)
    assert len(documents.split(additions)) == 10 and len(argument) == 230


def test_what_a_lock_makes_of_signed_time():
    for row in load("conduct")["answers"]:
        # 50 ppm of drift add less than a second to such short ways: every second begun counts.
        under_way_s = -(-row["under_way_ms"] * 1_000_050 // 1_000_000_000)
        told = conduct.answered(tuple(row["known"]), row["t"], row["error_s"], under_way_s)
        assert told == (row["taken"], row["alarm"], tuple(row["now"])), row["why"]
    for row in load("conduct")["carried"]:
        now = conduct.carried(tuple(row["known"]), row["issued_at"])
        assert now == tuple(row["now"]), row["why"]


def test_lists_offered_to_a_lock():
    vectors = load("conduct")["offers"]
    kids = {bytes.fromhex(kid) for kid in vectors["kids"]}
    for row in vectors["rows"]:
        held, brought = (documents.header(raw) for raw in unhex(row, "held", "brought"))
        entries, piece = unhex(row, "held_entries", "brought_entries")
        reason, taken = conduct.offered(held, entries, brought, piece, row["lo"], kids)
        then = brought.version if taken else held.version
        assert (reason, then) == (row["reason"], row["held_then"]), row["why"]


def test_audit_records():
    vectors = load("audit")
    records = [bytes.fromhex(raw) for raw in vectors["records"]]
    genesis = documents.genesis(vectors["lock_id"], vectors["journal_epoch"])
    assert genesis.hex() == vectors["genesis"]
    assert documents.chain(records, 0, genesis).hex() == vectors["hashes"][-1]
    for raw, fields, digest in zip(records, vectors["fields"], vectors["hashes"], strict=True):
        seq, lo, hi, event, code, source, subject, value, previous = documents.record(raw)
        assert hashlib.sha256(raw).hexdigest() == digest
        assert {
            "seq": seq,
            "time": [lo, hi],
            "event": event,
            "code": code,
            "source": source,
            "subject": subject and subject.hex(),
            "value": value,
            "previous": previous.hex(),
        } == fields
    for row in vectors["broken"]:
        broken = [bytes.fromhex(raw) for raw in row["records"]]
        with pytest.raises(cbor.Refused):
            documents.chain(broken, row["next_seq"], bytes.fromhex(row["previous"]))
    for raw in vectors["extreme_records"]:
        assert cbor.encode(documents.record(bytes.fromhex(raw))).hex() == raw
    for row in vectors["refused_records"]:
        assert refuses(documents.record, row), row["why"]


def test_parcels_acks_heads():
    vectors = load("audit")
    secret = bytes.fromhex(vectors["kdk"])
    for member, sealed, records in (("parcel", "seal", 18), ("empty", "empty_seal", 0)):
        parcel, seal = unhex(vectors["parcel"], member, sealed)
        assert documents.seal(secret, parcel) == seal
        about, raw = documents.opened(secret, parcel)
        assert [item.hex() for item in raw] == vectors["records"][:records]
        assert about[:3] == [vectors["lock_id"], vectors["vault_epoch"], vectors["journal_epoch"]]
    for member in ("ack", "head"):
        found = documents.stand(signed(vectors[member], "kannuki-" + member), member == "head")
        fields = vectors[member]["fields"]
        assert found[:3] == [fields["lock_id"], fields["journal_epoch"], fields["seq"]]
        assert found[3].hex() == fields["record_hash"]
    assert found[4].hex() == vectors["head"]["nonce"]
    for row in vectors["refused_acks"]:
        assert refuses(lambda raw: documents.stand(raw, False), row), row["why"]
    for row in vectors["refused_heads"]:
        assert refuses(lambda raw: documents.stand(raw, True), row), row["why"]


def test_refused_parcels():
    vectors = load("audit")
    (secret,) = unhex(vectors, "kdk")
    for row in vectors["refused_parcels"]:
        payload, seal = unhex(row, "payload", "seal")
        sealed = documents.seal(secret, payload) == seal
        assert not sealed or refuses(lambda raw: documents.opened(secret, raw), row), row["why"]


def test_pins():
    vectors = load("pin")
    secret, name = bytes.fromhex(vectors["kdk"]), vectors["lock_id"]
    assert vectors["lengths_quarters"] == pin.QUARTERS
    for row in vectors["pins"]:
        window = (row["starts_at"], row["quarters"], row["serial"])
        assert pin.digits(secret, name, *window) == row["digits"]
        assert pin.read(secret, name, row["digits"]) == window
        assert pin.name(name, *window).hex() == row["name"]
    for digits in vectors["say_nothing"]:
        assert pin.read(secret, name, digits) is None
    for row in vectors["open"]:
        told = (row["starts_at"], row["quarters"], row["lo"], row["hi"], row["doubt_s"])
        assert pin.opens(*told) == row["open"], row


def verdict_lock(vectors: Any, row: Any) -> lock.Lock:
    (kdk,) = unhex(vectors, "kdk")
    entries = sorted(documents.entry(bytes.fromhex(cti), exp) for cti, exp in row["revoked"])
    rows = [(bytes.fromhex(kid), aud, iat) for kid, aud, iat in row["min_iat"]]
    return lock.Lock(
        vectors["lock_id"],
        vectors["groups"],
        {vectors["epoch"]: kdk},
        documents.keyset(bytes.fromhex(vectors["keyset"])),
        row["doubt_s"],
        b"".join(entries),
        rows,
        [bytes.fromhex(cti) for cti in row["spent"]],
    )


def test_verdicts():
    vectors = load("verdicts")
    hello, challenge = unhex(vectors, "hello", "challenge")
    for row in vectors["verdicts"]:
        held, spoken = verdict_lock(vectors, row), bytes.fromhex(row["message"])
        found = lock.judge(held, hello, challenge, spoken, row["now"], row["relayed"])
        asked = row["signature"] and row["signature"]["good"]
        wanted = lock.Verdict(row["reason"], asked, row["emergency"], row["opens_at"])
        assert found == wanted, row["name"]


def test_signatures_asked_for():
    for row in load("verdicts")["verdicts"]:
        if row["signature"] is not None:
            key, said, signature = unhex(row["signature"], "public_key", "message", "signature")
            asked = documents.Envelope(b"", b"", said, signature)
            assert documents.verified(key, asked) == row["signature"]["good"], row["name"]


def test_primitives():
    vectors = load("crypto")
    for row in vectors["aes_ctr"]:
        assert wire.aes_ctr(*unhex(row, "key", "data")).hex() == row["output"]
    seeds = load("token")["keys"].values()
    for row in seeds:
        seed, public_key = unhex(row, "seed", "public_key")
        assert nacl.signing.SigningKey(seed).verify_key.encode() == public_key
