"""The vectors in protocol/vectors, read by the code of both runtimes."""

import unittest

from protocol import audit, cbor, cose, frames, gatt, holder, keys, session, statuslist, verify
from protocol import token as tokens
from protocol.cbor import CborError
from protocol.crypto import Crypto, hkdf_sha256, hmac_sha256, sha256
from protocol.frames import FrameError, Reassembler
from protocol.timebound import TimeBound
from protocol.verify import Allowed, IssuerKey, Trust
from tests.protocol import tables
from tests.protocol.support import make_token, unhex, vectors


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

    def test_the_key_that_wraps_a_proof_key(self):
        known = vectors("claim")
        info = b"kannuki-claim" + sha256(unhex(known["token"]))
        self.assertEqual(hkdf_sha256(unhex(known["shared"]), info).hex(), known["wrap_key"])

    def test_derivations(self):
        known = vectors("keys")
        secret = unhex(known["shared_secret"])
        for row in known["kdk"]:
            kdk = keys.lock_kdk(secret, known["town"], row["lock_id"], row["epoch"])
            self.assertEqual(kdk.hex(), row["kdk"])
        proof = known["proof_key"]
        key = keys.proof_key(unhex(proof["kdk"]), unhex(proof["token"]))
        self.assertEqual(key.hex(), proof["key"])
        sealing = known["audit_key"]
        self.assertEqual(keys.audit_key(unhex(sealing["kdk"])).hex(), sealing["key"])
        for row in known["key_id"]:
            self.assertEqual(keys.key_id(unhex(row["public_key"])).hex(), row["kid"])


class TestToken(unittest.TestCase):
    def test_tokens_are_read_and_rebuilt_to_the_byte(self):
        for row in vectors("token")["tokens"]:
            with self.subTest(row["token"]):
                signed, token = tokens.parse(unhex(row["token"]))
                claims = dict(row["claims"])
                claims["cti"] = unhex(claims["cti"])
                for name in claims:
                    self.assertEqual(getattr(token, name), claims[name])
                self.assertEqual(signed.signed_bytes().hex(), row["sig_structure"])
                self.assertEqual(signed.kid.hex(), row["kid"])
                payload = tokens.encode_claims(make_token(**claims))
                self.assertEqual(payload.hex(), row["payload"])
                rebuilt = cose.encode(signed.kid, payload, unhex(row["signature"]))
                self.assertEqual(rebuilt.hex(), row["token"])

    def test_refused(self):
        for row in vectors("token")["refused"]:
            with self.subTest(row["why"]):
                self.assertRaises(ValueError, tokens.parse, unhex(row["token"]))


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
        credential = holder.Credential(unhex(known["token"]), unhex(known["proof_key"]))
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
        self.assertEqual(events, [(holder.REPLY, session.OK, [b"batch", bytes(16)])])

    def test_macs_by_their_definition(self):
        known = self.known
        key = unhex(known["proof_key"])
        said = [unhex(known[name]) for name in ("challenge", "presentation", "mac_h", "outcome")]
        asked = [unhex(known[name]) for name in ("transcript", "request", "reply")]
        for label, parts, mac in (
            ("presentation", said[:2], "mac_h"),
            ("outcome", said, "mac_l"),
            ("request", asked[:2], "request_mac"),
            ("reply", asked, "reply_mac"),
        ):
            covered = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
            full = hmac_sha256(key, known["labels"][label].encode() + sha256(covered))
            self.assertEqual(full[:16].hex(), known[mac])

    def test_the_lock_judges_exactly_so(self):
        challenge = unhex(self.known["challenge"])
        for row in self.known["verdicts"]:
            with self.subTest(row["name"]):
                oracle = Oracle(row["signature"])
                crypto = Crypto(oracle, bytes)
                now = row["now"] if row["now"] is None else TimeBound(*row["now"])
                message = unhex(row["message"])
                verdict = verify.verify(self._trust(row), crypto, now, challenge, message)
                allowed = isinstance(verdict, Allowed)
                self.assertEqual(session.OK if allowed else verdict.reason, row["reason"])
                self.assertEqual(getattr(verdict, "opens_at", None), row.get("opens_at"))
                self.assertEqual(oracle.asked, row["signature"])

    def _trust(self, row):
        keyset = {}
        for key in self.known["keyset"]:
            keyset[unhex(key["kid"])] = IssuerKey(
                unhex(key["public_key"]), key["role"], key["permissions"], key["max_lifetime_s"]
            )
        status = statuslist.empty(self.known["lock_id"])
        if row["status_list"] is not None:
            status = statuslist.decode(unhex(row["status_list"]))
        kdks = {self.known["epoch"]: unhex(self.known["kdk"])}
        return Trust(self.known["lock_id"], keyset, kdks, status)


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


class TestDocuments(unittest.TestCase):
    def test_status_list(self):
        known = vectors("statuslist")
        signed, status = statuslist.parse(unhex(known["document"]))
        self.assertEqual(statuslist.encode(status).hex(), known["payload"])
        context = known["context"].encode()
        self.assertEqual(signed.signed_bytes(context).hex(), known["sig_structure"])
        fields = known["fields"]
        self.assertEqual(status.entries.hex(), fields["entries"])
        for name in ("lock_id", "version", "issued_at", "base_hour", "min_iat"):
            self.assertEqual(getattr(status, name), fields[name])
        for row in known["questions"]:
            self.assertEqual(status.revokes(unhex(row["cti"]), row["issued_at"]), row["revoked"])
        for row in known["refused"]:
            with self.subTest(row["why"]):
                self.assertRaises(ValueError, statuslist.decode, unhex(row["payload"]))

    def test_audit(self):
        known = vectors("audit")
        start = audit.genesis(known["lock_id"], known["journal_epoch"])
        self.assertEqual(start.hex(), known["genesis"])
        run = [unhex(raw) for raw in known["records"]]
        records, head = audit.check_run(run, 0, start)
        self.assertEqual([audit.record_hash(raw).hex() for raw in run], known["hashes"])
        self.assertEqual(head.hex(), known["hashes"][-1])
        self.assertEqual([audit.encode_record(record) for record in records], run)
        batch = audit.decode_batch(unhex(known["batch"]))
        self.assertEqual((batch.vault_epoch, batch.records), (known["vault_epoch"], run))
        seal = audit.seal(unhex(known["audit_key"]), unhex(known["batch"]))
        self.assertEqual(seal.hex(), known["seal"])

    def test_broken_chains_show(self):
        for row in vectors("audit")["broken"]:
            with self.subTest(row["why"]):
                run = [unhex(raw) for raw in row["records"]]
                previous = unhex(row["previous"])
                with self.assertRaises(audit.AuditError):
                    audit.check_run(run, row["next_seq"], previous)


class TestGatt(unittest.TestCase):
    def test_addresses_and_names(self):
        known = vectors("gatt")
        self.assertEqual(
            (known["service"], known["rx"], known["tx"], known["name_prefix"]),
            (gatt.SERVICE_UUID, gatt.RX_UUID, gatt.TX_UUID, gatt.NAME_PREFIX),
        )
        for row in known["names"]:
            self.assertEqual(gatt.lock_id_in(row["name"]), row["lock_id"])
