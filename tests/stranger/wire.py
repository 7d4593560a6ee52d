"""Fragments, messages, keys and MACs: sections 2 to 5 of wire.md, and section 10."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.stranger.cbor import Refused, decode, encode, need

FOREVER = (1 << 40) - 1
FIRST, LAST = 128, 64
HELLO, CHALLENGE, PRESENTATION, OUTCOME, REQUEST, REPLY, REFUSAL = range(1, 8)
UNLOCK, UNLOCK_REMOTE, LOCK, SYNC, HOLD_OPEN, EVACUATE = range(1, 7)


# --- shapes -------------------------------------------------------------------------------------


def uint(value: Any, most: int = (1 << 64) - 1, least: int = 0) -> int:
    need(type(value) is int and least <= value <= most, "another number")
    return int(value)


def bstr(value: Any, size: int | None = None) -> bytes:
    need(type(value) is bytes and size in (None, len(value)), "other bytes")
    return bytes(value)


def array(value: Any, least: int, most: int | None = None) -> list[Any]:
    need(type(value) is list, "no array")
    need(least <= len(value) <= (least if most is None else most), "another number of members")
    return list(value)


def time(value: Any) -> int:
    return uint(value, FOREVER - 1)


def interval(lo: Any, hi: Any) -> tuple[int, int | None]:
    need(hi is None or time(hi) >= time(lo), "an interval that ends before it begins")
    return time(lo), hi


def lock_id(value: Any) -> str:
    need(type(value) is str and re.fullmatch("[a-z2-7]{8}", value) is not None, "no lock id")
    return str(value)


def group_id(value: Any) -> str:
    need(type(value) is str and value[:1] == "+", "no group id")
    return "+" + lock_id(value[1:])


def audience(value: Any) -> str:
    return group_id(value) if str(value)[:1] == "+" else lock_id(value)


# --- fragments ----------------------------------------------------------------------------------


def fragments(message: bytes, most: int) -> list[bytes]:
    pieces = [message[at : at + most - 1] for at in range(0, len(message), most - 1)]
    flags = [0] * len(pieces)
    flags[0] |= FIRST
    flags[-1] |= LAST
    return [bytes([flags[i] | i % 64]) + piece for i, piece in enumerate(pieces)]


class Gatherer:
    """Puts fragments together. `take` gives the message, or None while it is unfinished."""

    def __init__(self, most: int = 4096) -> None:
        self.most = most
        self.pieces: list[bytes] | None = None

    def take(self, fragment: bytes) -> bytes | None:
        pieces, self.pieces = self.pieces, None
        need(len(fragment) >= 2, "an empty fragment")
        if fragment[0] & FIRST:
            pieces = []
        need(pieces is not None, "a continuation without a beginning")
        assert pieces is not None
        need(fragment[0] & 63 == len(pieces) % 64, "a gap or a repetition")
        pieces.append(fragment[1:])
        need(sum(map(len, pieces)) <= self.most, "too large")
        if fragment[0] & LAST:
            return b"".join(pieces)
        self.pieces = pieces
        return None


# --- messages -----------------------------------------------------------------------------------


def message(kind: int, *members: Any) -> bytes:
    return bytes([kind]) + encode(list(members))


def members(kind: int, raw: bytes) -> list[Any]:
    """The array of a message (without MAC) of this type, its shape checked."""
    need(raw[:1] == bytes([kind]), "another type")
    found = decode(raw[1:])
    _SHAPES[kind](found)
    return list(found)


def _hello(found: Any) -> None:
    uint(array(found, 1)[0])


def _challenge(found: Any) -> None:
    version, lock, nonce, now, keyset, status, config, epochs, most = array(found, 9)
    uint(version), lock_id(lock), bstr(nonce, 16), interval(*array(now, 2))
    uint(keyset), uint(status), uint(config), uint(most, 509, 20)
    for epoch in array(epochs, 1, 2):
        uint(epoch)


def _presentation(found: Any) -> None:
    nonce, token, command = array(found, 3)
    bstr(nonce, 16), bstr(token), uint(command)


def _outcome(found: Any) -> None:
    reason, detail, seq, head_hash = array(found, 4)
    uint(reason), uint(seq), bstr(head_hash, 32)
    need(type(detail) is dict, "no details")
    for number in detail:
        uint(number)


def _numbers(found: Any) -> None:
    first, second, _ = array(found, 3)
    uint(first), uint(second)


def _refusal(found: Any) -> None:
    uint(array(found, 1)[0], 31, 1)


_SHAPES = {
    HELLO: _hello,
    CHALLENGE: _challenge,
    PRESENTATION: _presentation,
    OUTCOME: _outcome,
    REQUEST: _numbers,
    REPLY: _numbers,
    REFUSAL: _refusal,
}


# --- keys and MACs ------------------------------------------------------------------------------


def hkdf(secret: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, b"", info).derive(secret)


def kdk(private: bytes, other: bytes, names: list[Any]) -> bytes:
    """`names` is [town, lock id, epoch, lock's public key, vault's public key]."""
    key = x25519.X25519PrivateKey.from_private_bytes(private)
    shared = key.exchange(x25519.X25519PublicKey.from_public_bytes(other))
    return hkdf(shared, encode(["kannuki-kdk", *names]))


def derived(secret: bytes, purpose: str, *more: bytes) -> bytes:
    return hkdf(secret, encode(["kannuki-" + purpose, 32, *more]))


def kid(public_key: bytes) -> bytes:
    return hashlib.sha256(public_key).digest()[:4]


def cat_hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()


def labelled_mac(key: bytes, label: str, digest: bytes) -> bytes:
    return hmac.digest(key, label.encode() + digest, "sha256")[:16]


def aes_ctr(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(data)


def wrap(once: ec.EllipticCurvePrivateKey, device: bytes, token: bytes, key: bytes) -> bytes:
    """A proof key wrapped for a device whose public half is 65 bytes (section 10)."""
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device)
    shared = once.exchange(ec.ECDH(), public)
    wrap_key = hkdf(shared, b"kannuki-claim" + hashlib.sha256(token).digest())
    return AESGCM(wrap_key).encrypt(bytes(12), key, None)


def name_of(advertised: str) -> str | None:
    """The lock id in the name of a scan response, or None: some other device."""
    try:
        return (
            lock_id(advertised.removeprefix("kannuki-")) if advertised[:8] == "kannuki-" else None
        )
    except Refused:
        return None
