"""What the shared tests share: a small town of fixed keys, a signature made of hashes, vectors.

The stand-in signature is two SHA-256 over key and message: anyone can make one, which does not
matter here, because these tests are about the order and the outcome of checks. Real Ed25519 is
tested against outside vectors where it is implemented.
"""

import json

from protocol import cose, frames, holder, keys, keyset, session, statuslist, timebound, verify
from protocol import token as tokens
from protocol.crypto import Crypto, sha256
from protocol.keyset import IssuerKey, Keyset
from protocol.timebound import TimeBound
from protocol.token import Token
from protocol.verify import Trust
from tests.protocol.noise import Lcg as Lcg
from tests.protocol.noise import unhex as unhex
from tests.protocol.noise import with_bit_flipped as with_bit_flipped

try:
    import cryptolib
except ImportError:  # CPython has none
    cryptolib = None

LOCK = "kitaguch"
OTHER_LOCK = "minamigu"
GROUP = "+gymnasia"
TOWN = "sakura"
EPOCH = 3
T0 = 1_790_000_000  # the window opens
T1 = T0 + 7200  # and closes
NOON = T0 + 3600
WEEK_S = 7 * 86400
YEAR_S = 366 * 86400
AHEAD_S = 90 * 86400

BOOKING_KEY = b"B" * 32
STAFF_KEY = b"S" * 32
STATUS_KEY = b"R" * 32
TIME_KEY = b"T" * 32
CONFIG_KEY = b"C" * 32
EMERGENCY_KEY = b"E" * 32
ACK_KEY = b"A" * 32
ROOT_KEY = b"1" * 32
OTHER_ROOT_KEY = b"2" * 32
STRANGER_KEY = b"X" * 32

SHARED_SECRET = bytes(range(32))
LOCK_PUBLIC_KEY = b"L" * 32  # X25519
VAULT_PUBLIC_KEY = b"V" * 32
HELLO = session.encode_hello()


def vectors(name):
    """The vectors of one file: a dict or list of hex strings, numbers and text."""
    base = __file__.replace("\\", "/").split("tests/protocol/")[0]
    with open("{}protocol/vectors/{}.json".format(base, name)) as file:
        return json.load(file)


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


def counting_bytes(length):
    """'Random' bytes for tests whose subject is not the nonce."""
    return bytes((7 * i + 1) & 0xFF for i in range(length))


def aes(key):
    """AES of the runtime (Crypto.aes): MicroPython's cryptolib, or the PC's library."""
    if cryptolib is not None:
        return cryptolib.aes(key, 1).encrypt
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update


def make_crypto(verifier=None):
    """The port with toy signatures, counting 'random' bytes and the runtime's AES."""
    return Crypto(RecordingVerifier() if verifier is None else verifier, counting_bytes, aes)


def kdk(lock_id=LOCK, epoch=EPOCH):
    return keys.lock_kdk(SHARED_SECRET, TOWN, lock_id, epoch, LOCK_PUBLIC_KEY, VAULT_PUBLIC_KEY)


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
        "weekly": None,
        "once": False,
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
        claims["weekly"],
        claims["once"],
    )


def sign(payload, public_key=BOOKING_KEY, context=b""):
    """An envelope of `payload` under the stand-in signature."""
    kid = keys.key_id(public_key)
    return cose.encode(kid, payload, toy_signature(public_key, cose.to_sign(kid, payload, context)))


def issue(public_key=BOOKING_KEY, **changes):
    return sign(tokens.encode_claims(make_token(**changes)), public_key)


def key_for(raw_token, lock_id=LOCK, epoch=EPOCH):
    return keys.proof_key(kdk(lock_id, epoch), raw_token)


def make_keyset(**changes):
    """The keyset of the tests, some members replaced."""
    resident = tokens.UNLOCK | tokens.UNLOCK_REMOTE
    emergency = tokens.UNLOCK | tokens.EVACUATE
    rows = [
        IssuerKey(BOOKING_KEY, keyset.ROLE_BOOKING, resident, 2 * 86400, AHEAD_S),
        IssuerKey(STAFF_KEY, keyset.ROLE_STAFF, tokens.ALL_PERMISSIONS, WEEK_S, AHEAD_S),
        IssuerKey(EMERGENCY_KEY, keyset.ROLE_EMERGENCY, emergency, YEAR_S, AHEAD_S),
        IssuerKey(STATUS_KEY, keyset.ROLE_STATUS, 0, 0, 0),
        IssuerKey(TIME_KEY, keyset.ROLE_TIME, 0, 0, 0),
        IssuerKey(CONFIG_KEY, keyset.ROLE_CONFIG, 0, 0, 0),
        IssuerKey(ACK_KEY, keyset.ROLE_ACK, 0, 0, 0),
    ]
    members = {
        "town": TOWN,
        "version": 1,
        "issued_at": T0 - 30 * 86400,
        "keys": rows,
        "vaults": {EPOCH: VAULT_PUBLIC_KEY},
        "roots": (ROOT_KEY, OTHER_ROOT_KEY),
    }
    members.update(changes)
    return Keyset(
        members["town"],
        members["version"],
        members["issued_at"],
        members["keys"],
        members["vaults"],
        members["roots"],
    )


def make_challenge(nonce=b"N" * 16, lock_id=LOCK, time=None):
    time = timebound.unknown() if time is None else time
    return session.encode_challenge(
        session.Challenge(lock_id, nonce, time, (1, 0, 0), [EPOCH], frames.MAX_FRAGMENT_BYTES)
    )


def make_greeting(nonce=b"N" * 16, lock_id=LOCK, time=None):
    """(HELLO, CHALLENGE) as they are on the wire."""
    return HELLO, make_challenge(nonce, lock_id, time)


def make_status(revoked=(), min_iat=None, version=1, lock_id=LOCK, kept_from_hour=0):
    """A status list in memory; `revoked`: pairs (cti, expires_at)."""
    header, entries = statuslist.build(lock_id, version, NOON, revoked, min_iat, kept_from_hour)
    return statuslist.in_memory(header, entries)


def present(raw_token, greeting, command=session.COMMAND_UNLOCK, key=None, nonce=b"H" * 16):
    """A whole PRESENTATION with MAC, as a holder makes it."""
    presentation = session.encode_presentation(nonce, raw_token, command)
    key = key_for(raw_token) if key is None else key
    return presentation + session.presentation_mac(key, greeting, presentation)


def at(seconds):
    return TimeBound(seconds, seconds)


class Lock:
    """A lock reduced to its verdict: trust, a recording verifier, one greeting."""

    def __init__(self, status=None, lock_id=LOCK, groups=(), spent=(), doubt_s=0):
        status = statuslist.empty(lock_id) if status is None else status
        self.verifier = RecordingVerifier()
        kdks = {EPOCH: kdk(lock_id)}
        self.trust = Trust(lock_id, make_keyset(), kdks, status, groups, spent, doubt_s)
        self.crypto = make_crypto(self.verifier)
        self.greeting = make_greeting(lock_id=lock_id)
        self.challenge = self.greeting[1]

    def judge(self, message, now=NOON, greeting=None, relayed=False):
        now = at(now) if isinstance(now, int) else now
        greeting = self.greeting if greeting is None else greeting
        return verify.verify(self.trust, self.crypto, now, greeting, message, relayed)

    def judge_token(self, raw_token, now=NOON, command=session.COMMAND_UNLOCK, relayed=False):
        key = key_for(raw_token, self.trust.lock_id)
        message = present(raw_token, self.greeting, command, key)
        return self.judge(message, now, relayed=relayed)


def make_holder(raw_token, command=session.COMMAND_UNLOCK):
    credential = holder.Credential(raw_token, {LOCK: key_for(raw_token)})
    return holder.HolderSession(credential, command, counting_bytes)
