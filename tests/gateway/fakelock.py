"""A lock small enough for a test: real messages, MACs and audit records, no door and no radio.

Built on the same protocol modules as the firmware, so a gateway that satisfies it speaks the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from protocol import (
    audit,
    cose,
    frames,
    keys,
    keyset,
    lockconfig,
    reasons,
    session,
    signedtime,
    statuslist,
    timebound,
    verify,
)
from protocol import token as tokens
from protocol.audit import Head, Record
from protocol.crypto import Crypto, sha256
from protocol.holder import Credential
from protocol.keyset import IssuerKey, Keyset
from protocol.lockconfig import DoorConfig, LockConfig
from protocol.session import Challenge, Outcome
from protocol.signedtime import SignedTime
from protocol.timebound import FOREVER, TimeBound
from protocol.token import Token

T0 = 1_800_000_000
KEPT_FROM_HOUR = T0 // statuslist.HOUR_S
TOWN = "test-town"
ISSUER = SigningKey(bytes(range(32)))
STATUS_ISSUER = SigningKey(bytes(range(1, 33)))
TIME_KEY = SigningKey(bytes(range(2, 34)))
CONFIG_KEY = SigningKey(bytes(range(3, 35)))
ACK_KEY = SigningKey(bytes(range(4, 36)))
ROOTS = (SigningKey(bytes(range(5, 37))), SigningKey(bytes(range(6, 38))))
STRANGER = SigningKey(bytes(range(7, 39)))
LOCK_A, LOCK_B, LOCK_C, LOCK_D = "aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"

_ROLES = {
    keyset.ROLE_BOOKING: ISSUER,
    keyset.ROLE_STATUS: STATUS_ISSUER,
    keyset.ROLE_TIME: TIME_KEY,
    keyset.ROLE_CONFIG: CONFIG_KEY,
    keyset.ROLE_ACK: ACK_KEY,
}


def deterministic(seed: str) -> Callable[[int], bytes]:
    """A source of bytes that a test can repeat."""
    count = 0

    def random_bytes(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_128(f"{seed}:{count}".encode()).digest(size)

    return random_bytes


def ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def aes(key: bytes) -> Callable[[bytes], bytes]:
    return lambda block: Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def kdk_of(lock_id: str) -> bytes:
    return sha256(b"kdk", lock_id.encode())


# --- what the town signs ---


def signed(key: SigningKey, payload: bytes, context: bytes = b"", named: bytes = b"") -> bytes:
    """A document under `key`; `named`: the public key that it claims to be by."""
    kid = keys.key_id(named or bytes(key.verify_key))
    return cose.encode(kid, payload, key.sign(cose.to_sign(kid, payload, context)).signature)


def credential(
    lock_id: str, permissions: int = tokens.MAINTAIN, lasts_s: int = 10**7
) -> Credential:
    """A token with its proof key, as the town's service would issue it."""
    cti = sha256(lock_id.encode(), bytes([permissions]))[:8]
    claims = tokens.encode_claims(
        Token(lock_id, T0 - 600, T0 + lasts_s, T0 - 600, cti, permissions, 1)
    )
    raw = signed(ISSUER, claims)
    return Credential(raw, {lock_id: keys.proof_key(kdk_of(lock_id), raw)})


def keyset_document(version: int, key: SigningKey = ROOTS[0]) -> bytes:
    payload = keyset.encode(the_keyset(version))
    return signed(key, payload, keyset.CONTEXT, bytes(ROOTS[0].verify_key))


def the_keyset(version: int) -> Keyset:
    rows = [
        IssuerKey(bytes(key.verify_key), role, tokens.ALL_PERMISSIONS, 10**9, 10**9)
        for role, key in _ROLES.items()
    ]
    roots = tuple(bytes(root.verify_key) for root in ROOTS)
    return Keyset(TOWN, version, T0, rows, {1: bytes(32)}, roots)


def config_document(lock_id: str, version: int, key: SigningKey = CONFIG_KEY) -> bytes:
    payload = lockconfig.encode(LockConfig(lock_id, version, T0, [], DoorConfig()))
    return signed(key, payload, lockconfig.CONTEXT, bytes(CONFIG_KEY.verify_key))


def ack_document(lock_id: str, seq: int, epoch: int = 1, record_hash: bytes = bytes(32)) -> bytes:
    payload = audit.encode_ack(Head(lock_id, epoch, seq, record_hash))
    return signed(ACK_KEY, payload, audit.ACK_CONTEXT)


def status_entries(count: int) -> bytes:
    """Entries of a list that withdraws `count` tokens."""
    names = [(sha256(number.to_bytes(4, "big"))[:8], T0 + 7200) for number in range(count)]
    return statuslist.build(LOCK_A, 1, T0, names, kept_from_hour=KEPT_FROM_HOUR)[1]


def status_document(
    lock_id: str, version: int, key: SigningKey = STATUS_ISSUER, entries: bytes = b""
) -> bytes:
    """The signed header of these entries."""
    count = len(entries) // statuslist.ENTRY_BYTES
    digest = sha256(entries)
    header = statuslist.StatusHeader(lock_id, version, T0, KEPT_FROM_HOUR, [], count, digest)
    payload = statuslist.encode(header)
    return signed(key, payload, statuslist.CONTEXT, bytes(STATUS_ISSUER.verify_key))


def time_document(
    lock_id: str, nonce: bytes, t: float, error_s: int = 1, key: SigningKey = TIME_KEY
) -> bytes:
    payload = signedtime.encode(SignedTime(lock_id, nonce, int(t), error_s))
    return signed(key, payload, signedtime.TIME_CONTEXT, bytes(TIME_KEY.verify_key))


# --- the lock ---


class FakeLock:
    """Answers fragments with fragments. `records` is its journal; `openings` what it did.

    `doubt_s`: how late it may be at most, None when nobody knows; a signed time ends that.
    `behind_s`: how much earlier than it is it may be, too.
    """

    def __init__(self, lock_id: str, journal_epoch: int = 1) -> None:
        self.lock_id = lock_id
        self.journal_epoch = journal_epoch
        self.records: list[bytes] = []
        self.oldest_seq = 1
        self.openings = 0
        self.requests: list[int] = []
        self.config_version = 1
        self.acked_seq = 0
        self.wall: float = T0
        self.doubt_s: int | None = 0
        self.behind_s = 0
        self.token_time: TimeBound | None = None  # what it judges our token by, if not `now`
        self.replies: dict[int, tuple[int, Any]] = {}  # operation -> what it says whatever comes
        self._crypto = Crypto(ed25519, deterministic(lock_id), aes)
        self.trust = verify.Trust(
            lock_id, the_keyset(1), {1: kdk_of(lock_id)}, statuslist.empty(lock_id)
        )
        self._incoming_list: tuple[bytes, bytearray] = b"", bytearray()
        self.hang_up()

    @property
    def head_seq(self) -> int:
        return len(self.records)

    @property
    def documents(self) -> int:
        """How many documents it was brought, a list's every part counted."""
        kinds = (
            session.REQUEST_STATUS_PART,
            session.REQUEST_STATUS_DELTA,
            session.REQUEST_KEYSET,
            session.REQUEST_CONFIG,
            session.REQUEST_ACK,
        )
        return sum(operation in kinds for operation in self.requests)

    def time(self) -> TimeBound:
        hi = FOREVER if self.doubt_s is None else int(self.wall) + self.doubt_s
        return TimeBound(int(self.wall) - self.behind_s, hi)

    def happen(self, event: int = audit.LOCK_OPERATION, code: int = 1, times: int = 1) -> None:
        """Writes audit records."""
        for _ in range(times):
            previous = (
                audit.record_hash(self.records[-1])
                if self.records
                else audit.genesis(self.lock_id, self.journal_epoch)
            )
            record = Record(self.head_seq + 1, self.time(), event, code, 1, None, None, previous)
            self.records.append(audit.encode_record(record))

    def hang_up(self) -> None:
        """The connection is gone, and with it the nonce."""
        self._incoming = frames.Reassembler()
        self._greeting = (b"", b"")
        self._nonce = self._key = self._bound = b""
        self._introduced = False

    def write(self, fragment: bytes) -> list[bytes]:
        """Fragments notified in answer to one written fragment."""
        message = self._incoming.push(fragment)
        if message is None:
            return []
        answer = self._answer(message)
        return frames.fragment(answer, 100)

    def _answer(self, message: bytes) -> bytes:
        kind = message[0]
        if kind == session.HELLO:
            return self._challenge_now(message)
        if kind == session.PRESENTATION and self._nonce:
            return self._judge(message)
        if kind == session.REQUEST and self._key:
            return self._reply(message)
        return session.encode_refusal(reasons.NO_SESSION)

    def _challenge_now(self, hello: bytes) -> bytes:
        self._nonce = self._crypto.random_bytes(16)
        self._asked_at = self.wall
        versions = (self.trust.keyset.version, self.trust.status.version, self.config_version)
        challenge = session.encode_challenge(
            Challenge(self.lock_id, self._nonce, self.time(), versions, [1], 182)
        )
        self._greeting = (hello, challenge)
        return challenge

    def _judge(self, message: bytes) -> bytes:
        now = self.token_time or self.time()
        relayed = self._introduced
        verdict = verify.verify(self.trust, self._crypto, now, self._greeting, message, relayed)
        if verdict.key is None:
            return session.encode_refusal(verdict.reason)
        reason = session.OK if isinstance(verdict, verify.Allowed) else verdict.reason
        self._introduced |= reason == session.OK and verdict.command == session.COMMAND_SYNC
        if reason == session.OK and verdict.command != session.COMMAND_SYNC:
            self.openings += 1
            self.happen()
        head = audit.record_hash(self.records[-1]) if self.records else bytes(32)
        raw = session.encode_outcome(Outcome(reason, {}, self.head_seq, head))
        presentation, mac = session.split_mac(message)
        if session.stays_open(reason):
            self._key = verdict.key
            self._bound = session.transcript(self._greeting, presentation, raw)
        return raw + session.outcome_mac(verdict.key, self._greeting, presentation, mac, raw)

    def _reply(self, message: bytes) -> bytes:
        request, mac = session.split_mac(message)
        assert mac == session.request_mac(self._key, self._bound, request)
        counter, operation, argument = session.decode_request(request[1:])
        self.requests.append(operation)
        said = self.replies.get(operation)
        reason, value = said if said is not None else self._carry_out(operation, argument)
        reply = session.encode_reply(counter, reason, value)
        return reply + session.reply_mac(self._key, self._bound, request, reply)

    def _carry_out(self, operation: int, argument: Any) -> tuple[int, Any]:
        return {
            session.REQUEST_STATE: self._state,
            session.REQUEST_AUDIT: self._parcel,
            session.REQUEST_STATUS_PART: self._take_part,
            session.REQUEST_STATUS_DELTA: self._take_delta,
            session.REQUEST_KEYSET: self._take_keyset,
            session.REQUEST_CONFIG: self._take_config,
            session.REQUEST_TIME: self._take_time,
            session.REQUEST_ACK: self._take_ack,
        }[operation](argument)

    def _state(self, _argument: None) -> tuple[int, Any]:
        lo, hi = timebound.to_wire(self.time())
        return session.OK, {
            1: 1, 2: 1, 3: self.trust.status.version, 4: self.head_seq, 5: lo, 6: hi,
            7: self.oldest_seq, 8: self.journal_epoch, 9: self.trust.keyset.version,
            10: self.config_version, 11: self.acked_seq, 12: 0, 13: False, 14: 0,
        }  # fmt: skip

    def _parcel(self, argument: list[int]) -> tuple[int, Any]:
        from_seq, count = argument
        first = max(from_seq, self.oldest_seq)
        records = self.records[first - 1 : first - 1 + count]
        head = Head(self.lock_id, self.journal_epoch, first, bytes(32))
        salt = self._crypto.random_bytes(audit.SALT_BYTES)
        return session.OK, list(audit.pack(aes, kdk_of(self.lock_id), salt, head, 1, records))

    # --- documents ---

    def _take_part(self, argument: list[Any]) -> tuple[int, Any]:
        document, offset, piece = argument
        parsed, header = statuslist.parse(document)
        if not self._vouched(parsed, keyset.ROLE_STATUS, statuslist.CONTEXT):
            return reasons.BAD_SIGNATURE, None
        if self._incoming_list[0] != document:
            self._incoming_list = document, bytearray()
        held = self._incoming_list[1]
        if offset == len(held):
            held += piece
        if len(held) < header.count * statuslist.ENTRY_BYTES:
            return session.OK, [len(held), self.trust.status.version]
        return self._adopt(header, bytes(held))

    def _take_delta(self, argument: list[Any]) -> tuple[int, Any]:
        document, base, additions = argument
        parsed, header = statuslist.parse(document)
        if not self._vouched(parsed, keyset.ROLE_STATUS, statuslist.CONTEXT):
            return reasons.BAD_SIGNATURE, None
        if base != self.trust.status.version:
            return reasons.OTHER_BASE, None
        merged = b"".join(statuslist.merge(self.trust.status, additions, header.kept_from_hour))
        if sha256(merged) != header.digest:
            return reasons.MALFORMED, None
        return self._adopt(header, merged)

    def _adopt(self, header: statuslist.StatusHeader, entries: bytes) -> tuple[int, Any]:
        self.trust.status = statuslist.in_memory(header, entries)
        return session.OK, [None, header.version]

    def _take_keyset(self, document: bytes) -> tuple[int, Any]:
        parsed, newer = keyset.parse(document)
        old = self.trust.keyset
        if not verify.verify_root(old, self._crypto, parsed, keyset.CONTEXT):
            return reasons.BAD_SIGNATURE, None
        if old.may_be_followed_by(newer):
            self.trust.keyset = newer
        return session.OK, self.trust.keyset.version

    def _take_config(self, document: bytes) -> tuple[int, Any]:
        parsed, config = lockconfig.parse(document)
        if not self._vouched(parsed, keyset.ROLE_CONFIG, lockconfig.CONTEXT):
            return reasons.BAD_SIGNATURE, None
        self.config_version = max(self.config_version, config.version)
        return session.OK, self.config_version

    def _take_time(self, document: bytes) -> tuple[int, Any]:
        parsed, answer = signedtime.parse(document)
        if not self._vouched(parsed, keyset.ROLE_TIME, signedtime.TIME_CONTEXT):
            return reasons.BAD_SIGNATURE, None
        if answer.nonce != self._nonce or abs(answer.t - self.wall) > 3600:
            return reasons.TIME_REJECTED, None
        self.doubt_s = 2 * answer.error_s + int(self.wall - self._asked_at)
        self.token_time = None
        return session.OK, timebound.to_wire(self.time())

    def _take_ack(self, document: bytes) -> tuple[int, Any]:
        parsed, head = audit.parse_ack(document)
        if not self._vouched(parsed, keyset.ROLE_ACK, audit.ACK_CONTEXT):
            return reasons.BAD_SIGNATURE, None
        if head.journal_epoch != self.journal_epoch or head.seq > self.head_seq:
            return reasons.MALFORMED, None
        self.acked_seq = max(self.acked_seq, head.seq)
        return session.OK, self.acked_seq

    def _vouched(self, parsed: cose.Signed, role: int, context: bytes) -> bool:
        return verify.verify_document(self.trust.keyset, self._crypto, parsed, role, context)
