"""Every decoder of lock and holder against broken bytes, on both runtimes, the same ones each time.

Contract: a value or the decoder's own error, nothing else. Seeds come from protocol/vectors; the
mutations are seeded, so a failure names the input. `TARGETS` is also what tests/fuzz mutates.
"""

import unittest

from firmware.core import enrolment, memory, secrets
from firmware.core import identity as identities
from firmware.core.door import Sensors
from firmware.core.identity import Identity
from firmware.core.lock import Lock
from firmware.core.session import SEND
from protocol import (
    audit,
    cbor,
    cose,
    frames,
    holder,
    keyset,
    lockconfig,
    session,
    signedtime,
    statuslist,
)
from protocol import token as tokens
from protocol.cbor import CborError, Tag
from tests.protocol import support
from tests.protocol.support import Lcg

ROUNDS = 1500
TAGS = (cose.TAG_SIGN1,)
HEX = "0123456789abcdef"
MAX_INPUT_BYTES = 5000


def seeds(*names):
    """Every byte string in these files of vectors, the refused ones too."""
    found = []
    for name in names:
        _collect(support.vectors(name), found)
    return sorted(set(found))


def _collect(item, found):
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list):
        for inner in item:
            _collect(inner, found)
    elif isinstance(item, str) and item and len(item) % 2 == 0 and all(c in HEX for c in item):
        found.append(support.unhex(item))


# --- mutations ---


ODD_VALUES = (
    None,
    True,
    False,
    0,
    -1,
    24,
    (1 << 64) - 1,
    -(1 << 64),
    b"",
    b"x" * 32,
    "",
    "x" * 32,
    "kitaguch",
    [],
    [0, 0],
    [[]],
    {},
    {0: 0},
    {"": {b"": None}},
    Tag(18, [b"", {}, b"", b""]),
)


class Mutator:
    """Broken relatives of the seeds; the same ones for the same number."""

    def __init__(self, number):
        self._random = Lcg(number)

    def mutate(self, pool):
        """One of the pool, changed one to four times."""
        random = self._random
        raw = pool[random.below(len(pool))]
        if random.below(3) == 0:
            raw = self.restructure(raw)
        for _ in range(random.below(4) + (raw in pool)):
            raw = self._change(raw, pool)
        return raw[:MAX_INPUT_BYTES]

    def restructure(self, raw):
        """Well-formed CBOR with one member replaced; as it is when it is no CBOR."""
        try:
            return cbor.encode(self._replace(cbor.decode(raw, TAGS)))
        except (CborError, TypeError):
            return raw

    def _replace(self, value):
        random = self._random
        if random.below(4) == 0:
            return ODD_VALUES[random.below(len(ODD_VALUES))]
        if isinstance(value, Tag):
            return Tag(value.number, self._replace(value.value))
        if isinstance(value, list) and value:
            at = random.below(len(value))
            return value[:at] + [self._replace(value[at])] + value[at + 1 :]
        if isinstance(value, dict) and value:
            key = list(value)[random.below(len(value))]
            changed = dict(value)
            changed[key] = self._replace(value[key])
            return changed
        if isinstance(value, bytes) and value:
            return self.restructure(value)
        return ODD_VALUES[random.below(len(ODD_VALUES))]

    def _change(self, raw, pool):
        random = self._random
        at = random.below(len(raw) + 1)
        kind = random.below(7)
        if kind == 0:
            return raw[:at] + random.bytes(1 + random.below(3)) + raw[at:]
        if kind == 1:
            return raw[:at] + raw[at + 1 + random.below(8) :]
        if kind == 2:
            other = pool[random.below(len(pool))]
            return raw[:at] + other[random.below(len(other) + 1) :]
        if kind == 3:
            return raw[:at]
        if kind == 4:
            return raw + raw[at:]
        if at == len(raw):
            return raw + b"\x00"
        return raw[:at] + bytes([self._other(raw[at], kind)]) + raw[at + 1 :]

    def _other(self, byte, kind):
        """A bit turned, or another length under the same CBOR type."""
        random = self._random
        if kind == 5:
            return byte ^ (1 << random.below(8))
        return (byte & 0xE0) | random.below(32)


# --- targets: name -> (reader, its own errors, pool of seeds) ---


def reassemble(raw):
    """`raw` cut into fragments where its own bytes say."""
    inbox, at, held = frames.Reassembler(512), 0, 0
    while at < len(raw):
        size = raw[at] % 64
        try:
            message = inbox.push(raw[at + 1 : at + 1 + size])
            held = max(held, len(message or b""))
        except frames.FrameError:
            pass
        at += 1 + size
    if held > 512:
        raise AssertionError("a message longer than the bound")


def decode_cbor(raw):
    """There is one encoding of each value."""
    if cbor.encode(cbor.decode(raw, TAGS)) != raw:
        raise AssertionError("another encoding was taken")


def converse_as_holder(raw):
    """The same bytes in each state of a holder, under a good MAC where there is one."""
    for stage in range(3):
        machine, mac = _holder_at(stage)
        for event in machine.receive(raw + mac(raw)):
            if event[0] == holder.SEND and stage:
                raise AssertionError("said something more")


def _holder_at(stage):
    proof_keys = {support.LOCK: support.key_for(support.issue())}
    machine = holder.HolderSession(
        holder.Credential(support.issue(), proof_keys), 1, support.counting_bytes
    )
    ((_, hello),) = machine.start()
    if stage == 0:
        return machine, lambda raw: b""
    greeting = (hello, support.make_challenge())
    ((_, message),) = machine.receive(greeting[1])
    key, (presentation, mac_h) = proof_keys[support.LOCK], session.split_mac(message)
    if stage == 1:
        return machine, lambda raw: session.outcome_mac(key, greeting, presentation, mac_h, raw)
    outcome = session.encode_outcome(session.Outcome(session.OK, {}, 1, bytes(32)))
    mac = session.outcome_mac(key, greeting, presentation, mac_h, outcome)
    machine.receive(outcome + mac)
    ((_, asked),) = machine.request(session.REQUEST_STATE, None)
    request = session.split_mac(asked)[0]
    bound = session.transcript(greeting, presentation, outcome)
    return machine, lambda raw: session.reply_mac(key, bound, request, raw)


def bodies(pool):
    """Messages without their type byte."""
    return [raw[1:] for raw in pool if len(raw) > 1]


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
    """{name: (reader, errors, pool)}"""
    talk = seeds("session")
    said = bodies(talk)
    status = seeds("statuslist")
    record = seeds("audit")
    token = seeds("token", "claim")
    list_errors = (cose.CoseError, statuslist.StatusListError)
    talk_errors = (session.SessionError,)
    return {
        "cbor": (decode_cbor, (CborError,), seeds("cbor", "token")),
        "cose": (cose.decode, (cose.CoseError,), token + status),
        "token": (tokens.parse, (cose.CoseError, tokens.TokenError), token),
        "claims": (tokens.decode_claims, (tokens.TokenError,), token),
        "status list": (statuslist.parse, list_errors, status),
        "status payload": (statuslist.decode, (statuslist.StatusListError,), status),
        "keyset": (keyset.parse, (cose.CoseError, keyset.KeysetError), seeds("keyset")),
        "lock configuration": (
            lockconfig.parse,
            (cose.CoseError, lockconfig.LockConfigError),
            seeds("lockconfig"),
        ),
        "signed time": (
            signedtime.parse,
            (cose.CoseError, signedtime.SignedTimeError),
            seeds("signedtime"),
        ),
        "audit parcel": (audit.decode_parcel, (audit.AuditError,), record),
        "acknowledgement": (audit.parse_ack, (cose.CoseError, audit.AuditError), record),
        "signed head": (audit.decode_head, (audit.AuditError,), record),
        "audit record": (audit.decode_record, (audit.AuditError,), record),
        "hello": (session.decode_hello, talk_errors, said),
        "challenge": (session.decode_challenge, talk_errors, said),
        "presentation": (session.open_presentation, talk_errors, talk),
        "outcome": (session.decode_outcome, talk_errors, said),
        "request": (session.decode_request, talk_errors, said),
        "reply": (session.decode_reply, talk_errors, said),
        "refusal": (session.decode_refusal, talk_errors, said),
        "frames": (reassemble, (), seeds("frames") + talk),
        "holder": (converse_as_holder, (), talk),
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
            for _ in range(ROUNDS if name != "holder" else ROUNDS // 10):
                self._read(name, read, errors, mutator.mutate(pool))

    def _read(self, name, read, errors, raw):
        """An exception that is not the decoder's own goes up; the input is printed before."""
        is_fine = False
        try:
            read(raw)
            is_fine = True
        except errors:
            is_fine = True
        finally:
            if not is_fine:
                print(name, "broke on", repr(raw))

    def test_every_seed_that_is_valid_is_still_read(self):
        for name, (read, errors, pool) in targets().items():
            taken = 0
            for raw in pool:
                try:
                    read(raw)
                    taken += 1
                except errors:
                    pass
            self.assertTrue(taken, name)


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
