"""The vectors in protocol/vectors, read by the code of both runtimes."""

import unittest

from protocol import (
    cbor,
    cose,
    frames,
    gatt,
    holder,
    keys,
    keyset,
    pin,
    reasons,
    session,
    timebound,
    verify,
)
from protocol import token as tokens
from protocol.cbor import CborError
from protocol.crypto import Crypto, aes_ctr, hkdf_sha256, hmac_sha256, sha256
from protocol.frames import FrameError, Reassembler
from protocol.timebound import TimeBound
from protocol.verify import Allowed, Trust
from tests.protocol import tables
from tests.protocol.support import aes, make_status, make_token, unhex, vectors


def value_of(made):
    """The CBOR value that a vector's JSON stands for."""
    if isinstance(made, list):
        return [value_of(item) for item in made]
    if isinstance(made, dict):
        if "bytes" in made:
            return unhex(made["bytes"])
        if "integer" in made:
            return int(made["integer"])
        return {value_of(key): value_of(item) for key, item in made["map"]}
    return made


class TestNumbers(unittest.TestCase):
    def test_every_number_of_the_wire_is_what_it_has_always_been(self):
        known = vectors("numbers")
        self.assertEqual(sorted(known["tables"]), sorted(tables.TABLES))
        for table in tables.TABLES:
            with self.subTest(table):
                self.assertEqual(tables.rows(table), known["tables"][table])
        self.assertEqual(tables.limits(), known["limits"])

    def test_no_number_is_used_twice_in_a_table(self):
        for table in tables.TABLES:
            numbers = list(tables.rows(table).values())
            self.assertEqual(len(set(numbers)), len(numbers))

    def test_every_constant_is_in_a_table(self):
        self.assertEqual(tables.unlisted(), [])

    def test_every_reason_is_what_it_has_always_been(self):
        self.assertEqual(tables.reason_rows(), vectors("reasons"))

    def test_permissions_are_single_bits(self):
        bits = sorted(tables.rows("permissions").values())
        self.assertEqual(bits, [1 << n for n in range(len(bits))])
        self.assertEqual(sum(bits), tokens.ALL_PERMISSIONS)


class TestCbor(unittest.TestCase):
    def test_accepted(self):
        for row in vectors("cbor")["accepted"]:
            with self.subTest(row["hex"]):
                value = value_of(row["value"])
                self.assertEqual(cbor.decode(unhex(row["hex"])), value)
                self.assertEqual(cbor.encode(value).hex(), row["hex"])

    def test_refused(self):
        for row in vectors("cbor")["refused"]:
            with self.subTest(row["why"]):
                self.assertRaises(CborError, cbor.decode, unhex(row["hex"]))


class TestKeys(unittest.TestCase):
    def test_hmac(self):
        for row in vectors("crypto")["hmac_sha256"]:
            mac = hmac_sha256(unhex(row["key"]), unhex(row["data"])).hex()
            self.assertEqual(mac[: len(row["mac"])], row["mac"])

    def test_hkdf(self):
        for row in vectors("crypto")["hkdf_sha256"]:
            out = hkdf_sha256(
                unhex(row["secret"]), unhex(row["info"]), row["length"], unhex(row["salt"])
            )
            self.assertEqual(out.hex(), row["output"])

    def test_aes_in_counter_mode(self):
        for row in vectors("crypto")["aes_ctr"]:
            hidden = aes_ctr(aes(unhex(row["key"])), unhex(row["data"]))
            self.assertEqual(hidden.hex(), row["output"])

    def test_the_key_that_wraps_a_proof_key(self):
        known = vectors("claim")
        info = b"kannuki-claim" + sha256(unhex(known["token"]))
        self.assertEqual(hkdf_sha256(unhex(known["shared"]), info).hex(), known["wrap_key"])

    def test_derivations(self):
        known = vectors("keys")
        secret = unhex(known["shared_secret"])
        lock_key, vault_key = unhex(known["lock_public_key"]), unhex(known["vault_public_key"])
        for row in known["kdk"]:
            where = (known["town"], row["lock_id"], row["epoch"])
            kdk = keys.lock_kdk(secret, *where, lock_key, vault_key)
            self.assertEqual(kdk.hex(), row["kdk"])
        proof = known["proof_key"]
        key = keys.proof_key(unhex(proof["kdk"]), unhex(proof["token"]))
        self.assertEqual(key.hex(), proof["key"])
        sealing = known["audit_key"]
        self.assertEqual(keys.audit_key(unhex(sealing["kdk"])).hex(), sealing["key"])
        hiding = known["audit_cipher_key"]
        key = keys.audit_cipher_key(unhex(hiding["kdk"]), unhex(hiding["salt"]))
        self.assertEqual(key.hex(), hiding["key"])
        typing = known["pin_key"]
        self.assertEqual(pin.pin_key(unhex(typing["kdk"])).hex(), typing["key"])
        for row in known["key_id"]:
            self.assertEqual(keys.key_id(unhex(row["public_key"])).hex(), row["kid"])


class TestToken(unittest.TestCase):
    def test_tokens_are_read_and_rebuilt_to_the_byte(self):
        for row in vectors("token")["tokens"]:
            with self.subTest(row["token"]):
                signed, token = tokens.parse(unhex(row["token"]))
                claims = claims_of(row)
                for name in claims:
                    if name != "weekly":
                        self.assertEqual(getattr(token, name), claims[name])
                self.assertEqual(signed.signed_bytes().hex(), row["sig_structure"])
                self.assertEqual(signed.kid.hex(), row["kid"])
                self.assertEqual(tokens.encode_claims(token).hex(), row["payload"])
                payload = tokens.encode_claims(make_token(**claims))
                self.assertEqual(payload.hex(), row["payload"])
                rebuilt = cose.encode(signed.kid, payload, unhex(row["signature"]))
                self.assertEqual(rebuilt.hex(), row["token"])

    def test_hours_of_the_week(self):
        self._hours(vectors("token")["weeks"])

    def test_hours_of_the_week_that_overlap(self):
        self._hours(vectors("token")["overlapping"])

    def _hours(self, known):
        _, token = tokens.parse(unhex(known["token"]))
        for row in known["windows"]:
            self.assertEqual(list(token.window(row["t"])), row["window"])
        for row in known["relations"]:
            with self.subTest(row):
                now = TimeBound(row["lo"], row["hi"])
                self.assertEqual(token.relation(now), row["relation"])

    def test_refused(self):
        for row in vectors("token")["refused"]:
            with self.subTest(row["why"]):
                self.assertRaises(ValueError, tokens.parse, unhex(row["token"]))


def claims_of(row):
    """The claims of a row as `make_token` takes them."""
    claims = dict(row["claims"])
    claims["cti"] = unhex(claims["cti"])
    if claims["weekly"] is not None:
        offset, windows = claims["weekly"]
        claims["weekly"] = tokens.Weekly(offset, [tuple(window) for window in windows])
    return claims


class Oracle:
    """Knows the one signature of a row; `asked` is what it was asked, with its answer."""

    def __init__(self, known):
        self._known = known
        self.asked = None

    def __call__(self, public_key, message, signature):
        good = self._known is not None and self._known["good"]
        self.asked = {
            "public_key": public_key.hex(),
            "message": message.hex(),
            "signature": signature.hex(),
            "good": good,
        }
        return good


class TestSession(unittest.TestCase):
    def setUp(self):
        self.known = vectors("session")

    def test_the_holder_says_exactly_this(self):
        known = self.known
        proof_keys = {known["lock_id"]: unhex(known["proof_key"])}
        credential = holder.Credential(unhex(known["token"]), proof_keys)
        one = holder.HolderSession(
            credential, session.COMMAND_UNLOCK, lambda n: unhex(known["holder_nonce"])
        )
        self.assertEqual(one.start(), [(holder.SEND, unhex(known["hello"]))])
        said = one.receive(unhex(known["challenge"]))
        self.assertEqual(said, [(holder.SEND, unhex(known["presentation"] + known["mac_h"]))])
        ((event, outcome),) = one.receive(unhex(known["outcome"] + known["mac_l"]))
        self.assertEqual((event, outcome.reason), (holder.OUTCOME, session.OK))
        asked = one.request(session.REQUEST_AUDIT, [0, 16])
        self.assertEqual(asked, [(holder.SEND, unhex(known["request"] + known["request_mac"]))])
        events = one.receive(unhex(known["reply"] + known["reply_mac"]))
        self.assertEqual(events, [(holder.REPLY, session.OK, [b"parcel", bytes(16)])])

    def test_macs_by_their_definition(self):
        known = self.known
        key = unhex(known["proof_key"])
        names = ("hello", "challenge", "presentation", "mac_h", "outcome")
        said = [unhex(known[name]) for name in names]
        asked = [unhex(known[name]) for name in ("transcript", "request", "reply")]
        for label, parts, mac in (
            ("presentation", said[:3], "mac_h"),
            ("outcome", said, "mac_l"),
            ("request", asked[:2], "request_mac"),
            ("reply", asked, "reply_mac"),
        ):
            covered = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
            full = hmac_sha256(key, known["labels"][label].encode() + sha256(covered))
            self.assertEqual(full[:16].hex(), known[mac])

    def test_a_transcript_by_its_definition(self):
        said = [self.known[name] for name in ("hello", "challenge", "presentation", "outcome")]
        covered = b"".join((len(raw) // 2).to_bytes(4, "big") + unhex(raw) for raw in said)
        self.assertEqual(sha256(covered).hex(), self.known["transcript"])

    def test_messages_encode_again_to_the_byte(self):
        known = self.known
        hello = session.decode_hello(unhex(known["hello"])[1:])
        self.assertEqual(session.encode_hello(hello).hex(), known["hello"])
        for name in ("challenge", "clock_never_set"):
            challenge = session.decode_challenge(unhex(known[name])[1:])
            self.assertEqual(session.encode_challenge(challenge).hex(), known[name])
        outcome = session.decode_outcome(unhex(known["outcome"])[1:])
        self.assertEqual(session.encode_outcome(outcome).hex(), known["outcome"])
        reply = session.decode_reply(unhex(known["reply"])[1:])
        self.assertEqual(session.encode_reply(*reply).hex(), known["reply"])
        reason = session.decode_refusal(unhex(known["refusal"])[1:])
        self.assertEqual(session.encode_refusal(reason).hex(), known["refusal"])

    def test_messages_at_the_edges_of_their_shapes(self):
        for row in self.known["edges"]["taken"]:
            with self.subTest(row["type"] + ": " + row["why"]):
                DECODE[row["type"]](unhex(row["message"])[1:])
        for row in self.known["edges"]["refused"]:
            with self.subTest(row["type"] + ": " + row["why"]):
                decode = DECODE[row["type"]]
                self.assertRaises(session.SessionError, decode, unhex(row["message"])[1:])

    def test_every_request_of_the_table(self):
        rows = self.known["requests"]
        self.assertEqual([row["name"] for row in rows], sorted_names(tables.rows("requests")))
        for row in rows:
            counter, operation, argument = session.decode_request(unhex(row["message"])[1:])
            self.assertEqual(counter, row["counter"])
            self.assertEqual(operation, getattr(session, row["name"]))
            again = session.encode_request(counter, operation, argument)
            self.assertEqual(again.hex(), row["message"])

    def test_which_outcomes_leave_a_session_open(self):
        stay = [reason for reason in reasons.NAMES if session.stays_open(reason)]
        self.assertEqual(sorted(stay), self.known["open_for_documents"])
        self.assertTrue(session.stays_open(session.OK))

    def test_the_holder_of_a_groups_token_picks_the_key_of_the_lock(self):
        known = self.known["group_holder"]
        proof_keys = {lock_id: unhex(key) for lock_id, key in known["proof_keys"].items()}
        credential = holder.Credential(unhex(known["token"]), proof_keys)
        one = holder.HolderSession(credential, 1, lambda n: unhex(self.known["holder_nonce"]))
        one.start()
        said = one.receive(unhex(self.known["challenge"]))
        self.assertEqual(said, [(holder.SEND, unhex(known["message"]))])


DECODE = {
    "HELLO": session.decode_hello,
    "CHALLENGE": session.decode_challenge,
    "PRESENTATION": session.decode_presentation,
    "OUTCOME": session.decode_outcome,
    "REQUEST": session.decode_request,
    "REPLY": session.decode_reply,
    "REFUSAL": session.decode_refusal,
}


class TestVerdicts(unittest.TestCase):
    def test_the_lock_judges_exactly_so(self):
        self.known = vectors("verdicts")
        greeting = (unhex(self.known["hello"]), unhex(self.known["challenge"]))
        for row in self.known["verdicts"]:
            with self.subTest(row["name"]):
                oracle = Oracle(row["signature"])
                now = timebound.from_wire(*row["now"])
                crypto, message = Crypto(oracle, bytes, aes), unhex(row["message"])
                trust = self._trust(row)
                verdict = verify.verify(trust, crypto, now, greeting, message, row["relayed"])
                allowed = isinstance(verdict, Allowed)
                self.assertEqual(session.OK if allowed else verdict.reason, row["reason"])
                self.assertEqual(getattr(verdict, "emergency", False), row["emergency"])
                self.assertEqual(getattr(verdict, "opens_at", None), row["opens_at"])
                self.assertEqual(oracle.asked, row["signature"])

    def _trust(self, row):
        known = self.known
        revoked = [(unhex(cti), expires_at) for cti, expires_at in row["revoked"]]
        min_iat = [(unhex(kid), audience, least) for kid, audience, least in row["min_iat"]]
        status = make_status(revoked, min_iat, 4, known["lock_id"])
        held = keyset.decode(unhex(known["keyset"]))
        kdks = {known["epoch"]: unhex(known["kdk"])}
        spent = [unhex(cti) for cti in row["spent"]]
        trusted = (known["lock_id"], held, kdks, status, known["groups"], spent, row["doubt_s"])
        return Trust(*trusted)


def sorted_names(rows):
    """The names of a table by their numbers."""
    return sorted(rows, key=lambda name: rows[name])


class TestFrames(unittest.TestCase):
    def test_split_and_joined(self):
        for row in vectors("frames")["split"]:
            message = unhex(row["message"])
            pieces = frames.fragment(message, row["max_fragment"])
            self.assertEqual([piece.hex() for piece in pieces], row["fragments"])
            reassembler = Reassembler()
            for piece in pieces[:-1]:
                self.assertIsNone(reassembler.push(piece))
            self.assertEqual(reassembler.push(pieces[-1]), message)

    def test_refused_at_the_last(self):
        for row in vectors("frames")["refused_at_the_last"]:
            with self.subTest(row["why"]):
                reassembler = Reassembler()
                for piece in row["fragments"][:-1]:
                    self.assertIsNone(reassembler.push(unhex(piece)))
                last = unhex(row["fragments"][-1])
                self.assertRaises(FrameError, reassembler.push, last)

    def test_what_comes_out(self):
        for row in vectors("frames")["joined"]:
            with self.subTest(row["why"]):
                reassembler = Reassembler()
                out = [self._push(reassembler, unhex(piece)) for piece in row["fragments"]]
                self.assertEqual(out, row["comes_out"])

    def _push(self, reassembler, piece):
        try:
            message = reassembler.push(piece)
        except FrameError:
            return False
        return message and message.hex()


class TestPin(unittest.TestCase):
    def test_digits_that_say_nothing(self):
        known = vectors("pin")
        block = aes(unhex(known["key"]))
        for digits in known["say_nothing"]:
            self.assertIsNone(pin.decode(block, known["lock_id"], digits))

    def test_when_a_window_is_open(self):
        for row in vectors("pin")["open"]:
            with self.subTest(row):
                made = pin.Pin(row["starts_at"], row["quarters"], 0)
                now = timebound.from_wire(row["lo"], row["hi"])
                strict = now.doubt > row["doubt_s"]
                self.assertEqual(made.fits(now, strict), row["open"])


class TestGatt(unittest.TestCase):
    def test_addresses_and_names(self):
        known = vectors("gatt")
        self.assertEqual(
            (known["service"], known["rx"], known["tx"], known["name_prefix"]),
            (gatt.SERVICE_UUID, gatt.RX_UUID, gatt.TX_UUID, gatt.NAME_PREFIX),
        )
        for row in known["names"]:
            self.assertEqual(gatt.lock_id_in(row["name"]), row["lock_id"])
