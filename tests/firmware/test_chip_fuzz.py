"""A whole lock, and what it reads from its files, against broken bytes, the same ones each time.

Contract: a value or the decoder's own error, nothing else; no decision and no signature check for a
stranger. The decoders of the wire have tests/protocol/test_decoders.py, and the same mutator.
"""

import unittest

from firmware.core import enrolment, memory, secrets
from firmware.core import identity as identities
from firmware.core.door import Sensors
from firmware.core.identity import Identity
from firmware.core.lock import Lock
from firmware.core.session import SEND
from protocol import frames, keyset, session
from protocol import token as tokens
from tests.protocol import support
from tests.protocol.decoders import Mutator, read_or_refuse, seeds

ROUNDS = 1500


def make_identity():
    return Identity(
        support.TOWN, support.LOCK, 1, (support.ROOT_KEY, support.OTHER_ROOT_KEY), (support.NOON, 1)
    )


def decode_identity(raw):
    """What is accepted can be used: it encodes again."""
    identities.encode(identities.decode(raw))


def decode_memory(raw):
    """Likewise."""
    memory.decode(raw).encode()


def targets():
    """{name: (reader, errors, pool)}: what lies in files."""
    return {
        "identity": (
            decode_identity,
            (identities.NotEnrolled,),
            [identities.encode(make_identity())],
        ),
        "memory": (decode_memory, (memory.CheckpointError,), [memory.Memory().encode()]),
    }


class RamStorage:
    """The storage port in RAM."""

    def __init__(self):
        self.files = {}

    def read(self, name, offset=0, size=-1):
        data = self.files.get(name)
        if data is None:
            return None
        return data[offset:] if size < 0 else data[offset : offset + size]

    def write(self, name, data):
        self.files[name] = bytes(data)

    def append(self, name, data):
        self.files[name] = self.files.get(name, b"") + bytes(data)

    def names(self, folder):
        return [name[len(folder) + 1 :] for name in self.files if name.startswith(folder + "/")]

    def delete(self, name):
        self.files.pop(name, None)


class StillRtc:
    """A clock chip that shows noon."""

    def read(self):
        return support.NOON

    def set(self, unix_s):
        pass


class KnownSecrets:
    """The lock's side of the keys that the shared tests use."""

    def kdks(self, lock_id, believed):
        return {epoch: support.kdk(lock_id, epoch) for epoch in believed.vaults}


class LockUnderFire:
    """A whole lock, spoken to as a radio would; `at` moves with every word."""

    def __init__(self):
        self.at = self.handle = 0
        self.verifier = support.RecordingVerifier()
        crypto, storage = support.make_crypto(self.verifier), RamStorage()
        believed = keyset.encode(support.make_keyset())
        first = support.sign(believed, support.ROOT_KEY, keyset.CONTEXT)
        really, secrets.make = secrets.make, lambda random_bytes: bytes(128)
        enrolment.enrol(make_identity(), first, None, storage, crypto)
        secrets.make = really
        self.verifier.calls.clear()
        sensors = Sensors(True, False, True, False, False)
        self.lock = Lock(
            make_identity(),
            KnownSecrets(),
            storage,
            crypto,
            lambda: self.at,
            StillRtc(),
            sensors,
        )
        self.raw_token = support.issue(support.STAFF_KEY, permissions=tokens.ALL_PERMISSIONS)
        self.key = support.key_for(self.raw_token)
        self.hello = session.encode_hello()

    def connect(self):
        self.handle += 1
        self.lock.sessions.connected(self.handle, self.at)
        self.lock.sessions.mtu_changed(self.handle, 247)

    def write(self, fragment):
        """One raw fragment; whole messages that came back."""
        self.at += 20
        self.lock.sessions.received(self.handle, fragment, self.at)
        self.lock.sessions.tick(self.at)
        return self._heard()

    def send(self, message):
        heard = []
        for fragment in frames.fragment(message, 244):
            heard += self.write(fragment)
        return heard

    def _heard(self):
        inbox, heard = frames.Reassembler(), []
        for action in self.lock.sessions.drain():
            if action[0] == SEND and action[1] == self.handle:
                message = inbox.push(action[2])
                heard += [message] if message else []
        return heard

    def presentation(self, challenge, command=session.COMMAND_SYNC):
        nonce = support.counting_bytes(session.NONCE_BYTES)
        raw = session.encode_presentation(nonce, self.raw_token, command)
        return raw, raw + session.presentation_mac(self.key, (self.hello, challenge), raw)

    def open(self):
        """An open session of a keeper; what binds its requests."""
        self.connect()
        (challenge,) = self.send(self.hello)
        raw, message = self.presentation(challenge)
        (answer,) = self.send(message)
        return session.transcript((self.hello, challenge), raw, session.split_mac(answer)[0])


class TestDecoders(unittest.TestCase):
    def test_every_decoder_gives_a_value_or_its_own_error(self):
        for number, (name, (read, errors, pool)) in enumerate(sorted(targets().items())):
            mutator = Mutator(number + 1)
            for _ in range(ROUNDS):
                read_or_refuse(name, read, errors, mutator.mutate(pool))

    def test_every_seed_that_is_valid_is_still_read(self):
        for name, (read, errors, pool) in targets().items():
            self.assertTrue(any(read_or_refuse(name, read, errors, raw) for raw in pool), name)


class TestSessions(unittest.TestCase):
    def test_no_strangers_bytes_raise_record_or_check_a_signature(self):
        fire, mutator, pool = LockUnderFire(), Mutator(91), seeds("session", "frames")
        head = fire.lock.journal.head_seq
        for turn in range(ROUNDS):
            if turn % 3 == 0:
                fire.connect()
            raw = mutator.mutate(pool) or b"\x00"
            fire.write(raw) if turn % 2 else fire.send(raw[: frames.MAX_MESSAGE_BYTES])
        self.assertEqual(fire.lock.journal.head_seq, head)
        self.assertEqual(fire.verifier.calls, [])

    def test_a_changed_presentation_is_never_a_decision(self):
        fire, mutator = LockUnderFire(), Mutator(92)
        head = fire.lock.journal.head_seq
        for _ in range(ROUNDS // 5):
            fire.connect()
            (challenge,) = fire.send(session.encode_hello())
            _, message = fire.presentation(challenge, session.COMMAND_UNLOCK)
            changed = mutator.mutate([message]) or b"\x00"
            if changed == message:
                continue
            for answer in fire.send(changed):
                self.assertIn(answer[0], (session.REFUSAL, session.CHALLENGE))
        self.assertEqual(fire.lock.journal.head_seq, head)

    def test_a_proven_keeper_may_ask_anything_and_gets_an_answer(self):
        fire, mutator = LockUnderFire(), Mutator(93)
        pool = [support.vectors("session")["request"]]
        pool = [support.unhex(raw) for raw in pool] + [
            session.encode_request(1, operation, argument)
            for operation in range(1, session.REQUEST_CLEAR_KEYPAD + 1)
            for argument in (None, [1, 5], seeds("statuslist")[0], [seeds("statuslist")[0], 0, b""])
        ]
        for _ in range(ROUNDS // 5):
            bound = fire.open()
            request = mutator.mutate(pool)[: frames.MAX_MESSAGE_BYTES - 16] or b"\x00"
            answers = fire.send(request + session.request_mac(fire.key, bound, request))
            self.assertEqual(len(answers), 1, repr(request))
            fire.lock.sessions.disconnected(fire.handle)


if __name__ == "__main__":
    unittest.main()
