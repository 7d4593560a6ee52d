"""What the shared tests share: a small town of fixed keys, a signature made of hashes, vectors.

The stand-in signature is two SHA-256 over key and message: anyone can make one, which does not
matter here, because these tests are about the order and the outcome of checks. Real Ed25519 is
tested against outside vectors where it is implemented.
"""

import json

from protocol import cose, frames, holder, keys, session, statuslist, verify
from protocol import token as tokens
from protocol.crypto import Crypto, sha256
from protocol.timebound import TimeBound
from protocol.token import Token
from protocol.verify import IssuerKey, Trust

LOCK = "kitaguch"
OTHER_LOCK = "minamigu"
TOWN = "sakura"
EPOCH = 3
T0 = 1_790_000_000  # the window opens
T1 = T0 + 7200  # and closes
NOON = T0 + 3600
WEEK_S = 7 * 86400

BOOKING_KEY = b"B" * 32
STAFF_KEY = b"S" * 32
STATUS_KEY = b"R" * 32
STRANGER_KEY = b"X" * 32

SHARED_SECRET = bytes(range(32))


def vectors(name):
    """The vectors of one file: a dict or list of hex strings, numbers and text."""
    base = __file__.replace("\\", "/").split("tests/protocol/")[0]
    with open("{}protocol/vectors/{}.json".format(base, name)) as file:
        return json.load(file)


def unhex(text):
    return bytes.fromhex(text)


def toy_signature(public_key, message):
    first = sha256(b"toy", public_key, message)
    return first + sha256(first)


class RecordingVerifier:
    """Judges toy signatures and remembers every call."""

    def __init__(self):
        self.calls = []

    def __call__(self, public_key, message, signature):
        self.calls.append((public_key, message, signature))
        return signature == toy_signature(public_key, message)


class Lcg:
    """Reproducible bytes on both runtimes (Numerical Recipes' generator; nothing secret)."""

    def __init__(self, seed):
        self._state = seed

    def below(self, limit):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % limit

    def bytes(self, length):
        return bytes(self.below(256) for _ in range(length))


def counting_bytes(length):
    """'Random' bytes for tests whose subject is not the nonce."""
    return bytes((7 * i + 1) & 0xFF for i in range(length))


def kdk(lock_id=LOCK, epoch=EPOCH):
    return keys.lock_kdk(SHARED_SECRET, TOWN, lock_id, epoch)


def make_token(**changes):
    """The usual token of the tests, with some claims changed."""
    claims = {
        "audience": LOCK,
        "not_before": T0,
        "expires_at": T1,
        "issued_at": T0 - 86400,
        "cti": b"\x01\x02\x03\x04\x05\x06\x07\x08",
        "permissions": tokens.UNLOCK,
        "epoch": EPOCH,
    }
    claims.update(changes)
    return Token(
        claims["audience"],
        claims["not_before"],
        claims["expires_at"],
        claims["issued_at"],
        claims["cti"],
        claims["permissions"],
        claims["epoch"],
    )


def sign(payload, public_key=BOOKING_KEY, context=b""):
    """An envelope of `payload` under the stand-in signature."""
    kid = keys.key_id(public_key)
    return cose.encode(kid, payload, toy_signature(public_key, cose.to_sign(kid, payload, context)))


def issue(public_key=BOOKING_KEY, **changes):
    return sign(tokens.encode_claims(make_token(**changes)), public_key)


def key_for(raw_token, lock_id=LOCK, epoch=EPOCH):
    return keys.proof_key(kdk(lock_id, epoch), raw_token)


def make_keyset():
    return {
        keys.key_id(BOOKING_KEY): IssuerKey(
            BOOKING_KEY, verify.ROLE_BOOKING, tokens.UNLOCK | tokens.UNLOCK_REMOTE, 2 * 86400
        ),
        keys.key_id(STAFF_KEY): IssuerKey(
            STAFF_KEY, verify.ROLE_STAFF, tokens.ALL_PERMISSIONS, WEEK_S
        ),
        keys.key_id(STATUS_KEY): IssuerKey(
            STATUS_KEY, verify.ROLE_STATUS, tokens.ALL_PERMISSIONS, WEEK_S
        ),
    }


def make_challenge(nonce=b"N" * 16, lock_id=LOCK, time=None):
    return session.encode_challenge(
        session.Challenge(lock_id, nonce, time, (1, 0, 0), [EPOCH], frames.MAX_FRAGMENT_BYTES)
    )


def present(raw_token, challenge, command=session.COMMAND_UNLOCK, key=None, nonce=b"H" * 16):
    """A whole PRESENTATION with MAC, as a holder makes it."""
    presentation = session.encode_presentation(nonce, raw_token, command)
    key = key_for(raw_token) if key is None else key
    return presentation + session.presentation_mac(key, challenge, presentation)


def at(seconds):
    return TimeBound(seconds, seconds)


class Lock:
    """A lock reduced to its verdict: trust, a recording verifier, one challenge."""

    def __init__(self, status=None, lock_id=LOCK):
        status = statuslist.empty(lock_id) if status is None else status
        self.verifier = RecordingVerifier()
        self.trust = Trust(lock_id, make_keyset(), {EPOCH: kdk(lock_id)}, status)
        self.crypto = Crypto(self.verifier, counting_bytes)
        self.challenge = make_challenge(lock_id=lock_id)

    def judge(self, message, now=NOON, challenge=None):
        now = at(now) if isinstance(now, int) else now
        challenge = self.challenge if challenge is None else challenge
        return verify.verify(self.trust, self.crypto, now, challenge, message)

    def judge_token(self, raw_token, now=NOON, command=session.COMMAND_UNLOCK):
        return self.judge(present(raw_token, self.challenge, command), now)


def make_holder(raw_token, command=session.COMMAND_UNLOCK):
    credential = holder.Credential(raw_token, key_for(raw_token))
    return holder.HolderSession(credential, command, counting_bytes)


def with_bit_flipped(data, bit):
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << (bit % 8)
    return bytes(flipped)
