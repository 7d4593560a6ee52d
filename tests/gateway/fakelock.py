"""A lock small enough for a test: real messages, MACs and audit records, no door and no radio.

Built on the same protocol modules as the firmware, so a gateway that satisfies it speaks the wire.
"""

from __future__ import annotations

import hashlib
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from protocol import audit, cose, frames, keys, reasons, session, statuslist, verify
from protocol import token as tokens
from protocol.audit import Batch, Record
from protocol.crypto import Crypto, sha256
from protocol.holder import Credential
from protocol.session import Challenge, Outcome
from protocol.timebound import TimeBound
from protocol.token import Token

T0 = 1_800_000_000
ISSUER = SigningKey(bytes(range(32)))
STATUS_ISSUER = SigningKey(bytes(range(1, 33)))
LOCK_A, LOCK_B, LOCK_C, LOCK_D = "aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"


def deterministic(seed: str):
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


def kdk_of(lock_id: str) -> bytes:
    return sha256(b"kdk", lock_id.encode())


def credential(
    lock_id: str, permissions: int = tokens.MAINTAIN, lasts_s: int = 10**7
) -> Credential:
    """A token with its proof key, as the town's service would issue it."""
    cti = sha256(lock_id.encode(), bytes([permissions]))[:8]
    claims = tokens.encode_claims(
        Token(lock_id, T0 - 600, T0 + lasts_s, T0 - 600, cti, permissions, 1)
    )
    kid = keys.key_id(bytes(ISSUER.verify_key))
    raw = cose.encode(kid, claims, ISSUER.sign(cose.to_sign(kid, claims)).signature)
    return Credential(raw, keys.proof_key(kdk_of(lock_id), raw))


def status_document(lock_id: str, version: int, key: SigningKey = STATUS_ISSUER) -> bytes:
    payload = statuslist.encode(statuslist.build(lock_id, version, T0, 0, []))
    kid = keys.key_id(bytes(STATUS_ISSUER.verify_key))
    to_sign = cose.to_sign(kid, payload, statuslist.CONTEXT)
    return cose.encode(kid, payload, key.sign(to_sign).signature)


class FakeLock:
    """Answers fragments with fragments. `records` is its journal; `openings` what it did."""

    def __init__(self, lock_id: str, journal_epoch: int = 1) -> None:
        self.lock_id = lock_id
        self.journal_epoch = journal_epoch
        self.records: list[bytes] = []
        self.oldest_seq = 1
        self.openings = 0
        self.documents = 0
        self.wall = T0
        self._crypto = Crypto(ed25519, deterministic(lock_id))
        issuer, status = bytes(ISSUER.verify_key), bytes(STATUS_ISSUER.verify_key)
        keyset = {
            keys.key_id(issuer): verify.IssuerKey(
                issuer, verify.ROLE_BOOKING, tokens.ALL_PERMISSIONS, 10**9
            ),
            keys.key_id(status): verify.IssuerKey(status, verify.ROLE_STATUS, 0, 0),
        }
        self.trust = verify.Trust(lock_id, keyset, {1: kdk_of(lock_id)}, statuslist.empty(lock_id))
        self.hang_up()

    @property
    def head_seq(self) -> int:
        return len(self.records)

    def happen(self, event: int = audit.LOCK_OPERATION, code: int = 1, times: int = 1) -> None:
        """Writes audit records."""
        for _ in range(times):
            previous = (
                audit.record_hash(self.records[-1])
                if self.records
                else audit.genesis(self.lock_id, self.journal_epoch)
            )
            time = TimeBound(int(self.wall), int(self.wall))
            record = Record(self.head_seq + 1, time, event, code, 1, None, previous)
            self.records.append(audit.encode_record(record))

    def hang_up(self) -> None:
        """The connection is gone, and with it the nonce."""
        self._incoming = frames.Reassembler()
        self._challenge = b""
        self._key = self._bound = b""

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
            return self._challenge_now()
        if kind == session.PRESENTATION and self._challenge:
            return self._judge(message)
        if kind == session.REQUEST and self._key:
            return self._reply(message)
        return session.encode_refusal(reasons.NO_SESSION)

    def _challenge_now(self) -> bytes:
        self._challenge = session.encode_challenge(
            Challenge(
                self.lock_id,
                self._crypto.random_bytes(16),
                TimeBound(int(self.wall), int(self.wall)),
                (1, self.trust.status.version, 1),
                [1],
                182,
            )
        )
        return self._challenge

    def _judge(self, message: bytes) -> bytes:
        now = TimeBound(int(self.wall), int(self.wall))
        verdict = verify.verify(self.trust, self._crypto, now, self._challenge, message)
        if verdict.key is None:
            return session.encode_refusal(verdict.reason)
        allowed = isinstance(verdict, verify.Allowed)
        reason = session.OK if allowed else verdict.reason
        if allowed and verdict.command == session.COMMAND_UNLOCK_REMOTE:
            self.openings += 1
            self.happen()
        head = audit.record_hash(self.records[-1]) if self.records else bytes(32)
        raw = session.encode_outcome(Outcome(reason, {}, self.head_seq, head))
        presentation, mac = session.split_mac(message)
        if allowed:
            self._key = verdict.key
            self._bound = session.transcript(self._challenge, presentation, raw)
        return raw + session.outcome_mac(verdict.key, self._challenge, presentation, mac, raw)

    def _reply(self, message: bytes) -> bytes:
        request, mac = session.split_mac(message)
        assert mac == session.request_mac(self._key, self._bound, request)
        counter, operation, argument = session.decode_request(request[1:])
        reason, value = self._carry_out(operation, argument)
        reply = session.encode_reply(counter, reason, value)
        return reply + session.reply_mac(self._key, self._bound, request, reply)

    def _carry_out(self, operation: int, argument: Any) -> tuple[int, Any]:
        if operation == session.REQUEST_STATE:
            return session.OK, self._state()
        if operation == session.REQUEST_AUDIT:
            return session.OK, self._batch(*argument)
        return self._take_status(argument)

    def _state(self) -> dict[int, Any]:
        return {
            1: 1, 2: 1, 3: self.trust.status.version, 4: self.head_seq,
            5: int(self.wall), 6: int(self.wall), 7: self.oldest_seq, 8: self.journal_epoch,
        }  # fmt: skip

    def _batch(self, from_seq: int, count: int) -> list[bytes]:
        first = max(from_seq, self.oldest_seq)
        records = self.records[first - 1 : first - 1 + count]
        raw = audit.encode_batch(Batch(self.lock_id, 1, self.journal_epoch, records))
        return [raw, audit.seal(keys.audit_key(kdk_of(self.lock_id)), raw)]

    def _take_status(self, document: bytes) -> tuple[int, Any]:
        self.documents += 1
        signed, status = statuslist.parse(document)
        role, context = verify.ROLE_STATUS, statuslist.CONTEXT
        if not verify.verify_document(self.trust, self._crypto, signed, role, context):
            return reasons.BAD_SIGNATURE, None
        self.trust.status = status
        return session.OK, status.version
