"""The vectors of signed documents and of audit records, read by the code of both runtimes."""

import unittest

from protocol import (
    audit,
    cbor,
    cose,
    keys,
    keyset,
    lockconfig,
    signedtime,
    statuslist,
    timebound,
)
from protocol.crypto import aes_ctr, hmac_sha256, sha256
from tests.protocol.support import aes, unhex, vectors


def document_of(row):
    """The parsed envelope of a document's vector, after holding its parts against each other."""
    signed = cose.decode(unhex(row["document"]))
    if signed.payload.hex() != row["payload"]:
        raise AssertionError("another payload")
    if signed.kid != keys.key_id(unhex(row["public_key"])):
        raise AssertionError("another key")
    if signed.signed_bytes(row["context"].encode()).hex() != row["sig_structure"]:
        raise AssertionError("another context")
    return signed


class TestDocuments(unittest.TestCase):
    def assertRefused(self, decode, rows):
        for row in rows:
            with self.subTest(row["why"]):
                self.assertRaises(ValueError, decode, unhex(row["payload"]))

    def test_keysets(self):
        known = vectors("keyset")
        for row in known["keysets"]:
            made, fields = keyset.decode(document_of(row).payload), row["fields"]
            self.assertEqual(keyset.encode(made).hex(), row["payload"])
            self.assertEqual((made.town, made.version), (fields["town"], fields["version"]))
            self.assertEqual(made.issued_at, fields["issued_at"])
            self.assertEqual([root.hex() for root in made.roots], fields["roots"])
            vaults = {epoch: unhex(key) for epoch, key in fields["vaults"]}
            self.assertEqual(made.vaults, vaults)
            self.assertEqual(len(made.keys), len(fields["keys"]))
            for key in fields["keys"]:
                held = made.keys[unhex(key["kid"])]
                self.assertEqual(held.public_key.hex(), key["public_key"])
                for name in ("role", "permissions", "max_lifetime_s", "max_ahead_s"):
                    self.assertEqual(getattr(held, name), key[name])
        self.assertRefused(keyset.decode, known["refused"])

    def test_which_keyset_may_follow_which(self):
        for row in vectors("keyset")["successors"]:
            with self.subTest(row["why"]):
                held = keyset.decode(unhex(row["held"]))
                brought = keyset.decode(unhex(row["brought"]))
                self.assertEqual(held.may_be_followed_by(brought), row["taken"])

    def test_configurations(self):
        known = vectors("lockconfig")
        for row in known["figures"]:
            said = (row["name"], row["least"], row["most"], row["default"])
            self.assertEqual(lockconfig.FIGURES[row["figure"]], said)
        self.assertEqual(len(lockconfig.FIGURES), len(known["figures"]))
        for row in known["configs"]:
            config, fields = lockconfig.decode(document_of(row).payload), dict(row["fields"])
            door = fields.pop("door")
            self.assertEqual(lockconfig.encode(config).hex(), row["payload"])
            for name in fields:
                self.assertEqual(getattr(config, name), fields[name])
            for name in door:
                self.assertEqual(getattr(config.door, name), door[name])
        for row in known["figures"]:
            door = lockconfig.decode(unhex(known["defaults"])).door
            self.assertEqual(getattr(door, row["name"]), row["default"])
        self.assertRefused(lockconfig.decode, known["refused"])

    def test_signed_time(self):
        known = vectors("signedtime")
        for kind, context in (
            ("answer", signedtime.TIME_CONTEXT),
            ("reset", signedtime.RESET_CONTEXT),
        ):
            row = known[kind]
            self.assertEqual(row["context"].encode(), context)
            answer, fields = signedtime.decode(document_of(row).payload), row["fields"]
            self.assertEqual((answer.lock_id, answer.t), (fields["lock_id"], fields["t"]))
            self.assertEqual(answer.nonce.hex(), fields["nonce"])
            self.assertEqual(answer.error_s, fields["error_s"])
            self.assertEqual(signedtime.encode(answer).hex(), row["payload"])
        self.assertEqual(signedtime.decode(unhex(known["widest"])).error_s, 3600)
        self.assertRefused(signedtime.decode, known["refused"])


class TestStatusList(unittest.TestCase):
    def setUp(self):
        self.known = vectors("statuslist")

    def held(self, row):
        """The list of a row, its header held against the fields."""
        header, fields = statuslist.decode(document_of(row).payload), row["fields"]
        self.assertEqual(statuslist.encode(header).hex(), row["payload"])
        for name in ("lock_id", "version", "issued_at", "kept_from_hour", "count"):
            self.assertEqual(getattr(header, name), fields[name])
        rows = [[kid.hex(), audience, least] for kid, audience, least in header.min_iat]
        self.assertEqual(rows, fields["min_iat"])
        self.assertEqual(header.digest.hex(), fields["digest"])
        return statuslist.in_memory(header, unhex(row["entries"]))

    def test_what_is_withdrawn(self):
        status = self.held(self.known)
        for row in self.known["questions"]:
            asked = (unhex(row["cti"]), unhex(row["kid"]), row["audience"], row["issued_at"])
            self.assertEqual(status.revokes(*asked), row["revoked"])
        for row in self.known["listed"]:
            self.assertEqual(status.lists(unhex(row["name"])), row["listed"])

    def test_a_delta_gives_the_list_of_its_header(self):
        delta, older = self.known["delta"], self.held(self.known)
        newer = self.held(delta)
        self.assertEqual(older.version, delta["base_version"])
        kept = newer.header.kept_from_hour
        merged = b"".join(statuslist.merge(older, unhex(delta["additions"]), kept))
        self.assertEqual(merged.hex(), delta["entries"])
        statuslist.in_memory(newer.header, merged)

    def test_what_ten_withdrawals_cost(self):
        row = self.known["ten_additions"]
        document, base, additions = cbor.decode(unhex(row["argument"]))
        _, header = statuslist.parse(document)
        self.assertEqual((header.version, base, len(additions)), (900, 899, 80))
        self.assertEqual(len(unhex(row["argument"])), row["bytes"])
        self.assertEqual(row["bytes"], 230)

    def test_hours_of_entries(self):
        for row in self.known["hours"]:
            made = statuslist.entry(unhex(row["entry"])[:6], row["expires_at"])
            self.assertEqual(made.hex(), row["entry"])
            self.assertEqual(statuslist.is_kept(made, row["kept_from_hour"]), row["kept"])

    def test_the_order_of_entries(self):
        for row in self.known["order"]:
            with self.subTest(row["why"]):
                pair = (unhex(row["previous"]), unhex(row["entry"]))
                if row["good"]:
                    statuslist.check_order(*pair)
                else:
                    self.assertRaises(ValueError, statuslist.check_order, *pair)

    def test_the_largest_header(self):
        header = statuslist.decode(unhex(self.known["largest"]))
        self.assertEqual(header.count, statuslist.MAX_ENTRIES)
        self.assertEqual(statuslist.encode(header).hex(), self.known["largest"])

    def test_refused(self):
        for row in self.known["refused"]:
            with self.subTest(row["why"]):
                self.assertRaises(ValueError, statuslist.decode, unhex(row["payload"]))


class TestAudit(unittest.TestCase):
    def setUp(self):
        self.known = vectors("audit")

    def test_records_and_their_chain(self):
        known = self.known
        start = audit.genesis(known["lock_id"], known["journal_epoch"])
        self.assertEqual(start.hex(), known["genesis"])
        run = [unhex(raw) for raw in known["records"]]
        records, head = audit.check_run(run, 0, start)
        self.assertEqual([audit.record_hash(raw).hex() for raw in run], known["hashes"])
        self.assertEqual(head.hex(), known["hashes"][-1])
        self.assertEqual([audit.encode_record(record) for record in records], run)
        for record, fields in zip(records, known["fields"]):
            for name in ("seq", "event", "code", "source", "value"):
                self.assertEqual(getattr(record, name), fields[name])
            self.assertEqual(timebound.to_wire(record.time), fields["time"])
            subject = None if record.subject is None else record.subject.hex()
            self.assertEqual(
                (subject, record.previous.hex()), (fields["subject"], fields["previous"])
            )

    def test_a_parcel_is_packed_to_the_byte_and_unpacked(self):
        known, row = self.known, self.known["parcel"]
        run, kdk = [unhex(raw) for raw in known["records"]], unhex(known["kdk"])
        head = audit.Head(known["lock_id"], known["journal_epoch"], row["first_seq"], b"")
        raw, seal = audit.pack(aes, kdk, unhex(row["salt"]), head, known["vault_epoch"], run)
        self.assertEqual((raw.hex(), seal.hex()), (row["parcel"], row["seal"]))
        self.assertEqual(audit.unpack(aes, kdk, raw, seal), run)
        empty = (unhex(row["empty"]), unhex(row["empty_seal"]))
        self.assertEqual(audit.unpack(aes, kdk, *empty), [])

    def test_a_parcel_by_its_definition(self):
        known, row = self.known, self.known["parcel"]
        self.assertEqual(keys.audit_key(unhex(known["kdk"])).hex(), known["audit_key"])
        cipher_key = keys.audit_cipher_key(unhex(known["kdk"]), unhex(row["salt"]))
        self.assertEqual(cipher_key.hex(), row["cipher_key"])
        records = cbor.encode([unhex(raw) for raw in known["records"]])
        self.assertEqual(records.hex(), row["plain"])
        self.assertEqual(aes_ctr(aes(cipher_key), records).hex(), row["hidden"])
        covered = b"kannuki1-audit" + sha256(unhex(row["parcel"]))
        self.assertEqual(hmac_sha256(unhex(known["audit_key"]), covered)[:16].hex(), row["seal"])

    def test_the_acknowledgement_and_the_signed_head(self):
        ack, head = self.known["ack"], self.known["head"]
        self.assertEqual(ack["context"].encode(), audit.ACK_CONTEXT)
        self.assertEqual(head["context"].encode(), audit.HEAD_CONTEXT)
        acknowledged = audit.decode_ack(document_of(ack).payload)
        self.assertEqual(audit.encode_ack(acknowledged).hex(), ack["payload"])
        said, nonce = audit.decode_head(document_of(head).payload)
        self.assertEqual(audit.encode_head(said, nonce).hex(), head["payload"])
        self.assertEqual(nonce.hex(), head["nonce"])
        for made, fields in ((acknowledged, ack["fields"]), (said, head["fields"])):
            for name in ("lock_id", "journal_epoch", "seq"):
                self.assertEqual(getattr(made, name), fields[name])
            self.assertEqual(made.record_hash.hex(), fields["record_hash"])

    def test_extreme_records(self):
        for raw in self.known["extreme_records"]:
            record = audit.decode_record(unhex(raw))
            self.assertEqual(audit.encode_record(record).hex(), raw)

    def test_refused_parcels_and_heads(self):
        kdk = unhex(self.known["kdk"])
        for row in self.known["refused_parcels"]:
            with self.subTest(row["why"]):
                parcel = (unhex(row["payload"]), unhex(row["seal"]))
                self.assertRaises(audit.AuditError, audit.unpack, aes, kdk, *parcel)
        for name, decode in (("acks", audit.decode_ack), ("heads", audit.decode_head)):
            for row in self.known["refused_" + name]:
                with self.subTest(row["why"]):
                    self.assertRaises(audit.AuditError, decode, unhex(row["payload"]))

    def test_refused_records(self):
        for row in self.known["refused_records"]:
            with self.subTest(row["why"]):
                self.assertRaises(audit.AuditError, audit.decode_record, unhex(row["payload"]))

    def test_broken_chains_show(self):
        for row in vectors("audit")["broken"]:
            with self.subTest(row["why"]):
                run = [unhex(raw) for raw in row["records"]]
                previous = unhex(row["previous"])
                with self.assertRaises(audit.AuditError):
                    audit.check_run(run, row["next_seq"], previous)
