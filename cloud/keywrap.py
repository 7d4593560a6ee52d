"""Wraps a proof key for one device, so that only that device's browser can unwrap it.

ECDH P-256 between a fresh server key and the device's non-extractable key; HKDF-SHA256 with an
empty salt and info = "kannuki-claim" || SHA-256(raw token); AES-256-GCM with twelve zero bytes as
nonce and no additional data. Each server key wraps once, so key and nonce never repeat. All of it
is Web Crypto: deriveBits(ECDH, 256), deriveKey(HKDF to AES-GCM), unwrapKey("raw", HMAC, not
extractable).
Decides nothing about who may claim.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.ports import WrappedKey
from protocol.crypto import hkdf_sha256, sha256

POINT_BYTES = 65
_LABEL = b"kannuki-claim"
_NONCE = bytes(12)


class KeyWrapError(ValueError):
    """Not a point of P-256, or a wrapped key that was not made for this device and token."""


def wrap(proof_key: bytes, raw_token: bytes, device_key: bytes) -> WrappedKey:
    """`proof_key` for the device with this public key (65 bytes, uncompressed)."""
    peer = _point(device_key)
    once = ec.generate_private_key(ec.SECP256R1())
    cipher = AESGCM(_key(once.exchange(ec.ECDH(), peer), raw_token))
    return WrappedKey(raw_point(once.public_key()), cipher.encrypt(_NONCE, proof_key, None))


def unwrap(
    wrapped: WrappedKey, raw_token: bytes, device_private_key: ec.EllipticCurvePrivateKey
) -> bytes:
    """The device's side, for simulated phones and tests. Raises KeyWrapError."""
    shared = device_private_key.exchange(ec.ECDH(), _point(wrapped.server_key))
    try:
        return AESGCM(_key(shared, raw_token)).decrypt(_NONCE, wrapped.ciphertext, None)
    except InvalidTag:
        raise KeyWrapError("not wrapped for this device and token") from None


def raw_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of a public key, as Web Crypto's exportKey("raw") gives them."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def is_device_key(value: bytes) -> bool:
    """Whether `value` is a point of P-256 in its uncompressed form."""
    try:
        _point(value)
    except KeyWrapError:
        return False
    return True


def _point(raw: bytes) -> ec.EllipticCurvePublicKey:
    if len(raw) != POINT_BYTES:
        raise KeyWrapError("a device key has 65 bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise KeyWrapError("not a point of P-256") from None


def _key(shared: bytes, raw_token: bytes) -> bytes:
    return hkdf_sha256(shared, _LABEL + sha256(raw_token))
