"""A passkey authenticator in software: one device that holds passkeys, verifies its user and signs.

Speaks the JSON of PublicKeyCredential.toJSON() (WebAuthn level 3, sections 5.1, 6.1, 6.5). Every
member of an answer can be bent, for tests that attack.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, encode_cbor

from kannuki.messages import to_base64url

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class Held:
    """One passkey. sign_count stays 0 on a synchronised one."""

    key: ec.EllipticCurvePrivateKey
    credential_id: bytes
    user_handle: bytes
    sign_count: int = 0


@dataclass
class Authenticator:
    """`origin`: the page it works in. `counts`: a single device counts; a synchronised one not."""

    origin: str
    counts: bool = True
    verifies_user: bool = True
    passkeys: list[Held] = field(default_factory=list)

    @property
    def _flags(self) -> int:
        return UP | (UV if self.verifies_user else 0) | (0 if self.counts else BE | BS)

    def create(self, options: dict[str, Any], **bent: Any) -> dict[str, Any]:
        """navigator.credentials.create: the credential as JSON."""
        held = Held(
            ec.generate_private_key(ec.SECP256R1()),
            bent.get("credential_id") or secrets.token_bytes(32),
            base64url_to_bytes(options["user"]["id"]),
        )
        self.passkeys.append(held)
        rp_id = bent.get("rp_id", options["rp"]["id"])
        attested = bytes(16) + len(held.credential_id).to_bytes(2, "big") + held.credential_id
        data = self._data(rp_id, bent.get("flags", self._flags) | AT, held.sign_count)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data + attested + _cose(held.key)}
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options["challenge"], bent),
            "attestationObject": to_base64url(encode_cbor(attestation)),
            "transports": ["internal"],
        }
        return _credential(held, response)

    def get(self, options: dict[str, Any], which: int = -1, **bent: Any) -> dict[str, Any]:
        """navigator.credentials.get: the assertion as JSON."""
        held = self.passkeys[which]
        held.sign_count = bent.get("sign_count", held.sign_count + (1 if self.counts else 0))
        flags = bent.get("flags", self._flags)
        data = self._data(bent.get("rp_id", options["rpId"]), flags, held.sign_count)
        client = self._client_data("webauthn.get", options["challenge"], bent)
        signed = data + hashlib.sha256(base64url_to_bytes(client)).digest()
        key = bent.get("key", held.key)
        response = {
            "clientDataJSON": client,
            "authenticatorData": to_base64url(data),
            "signature": to_base64url(key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": to_base64url(bent.get("user_handle", held.user_handle)),
        }
        return _credential(held, response)

    def _client_data(self, kind: str, challenge: str, bent: dict[str, Any]) -> str:
        told = {
            "type": bent.get("kind", kind),
            "challenge": bent.get("challenge", challenge),
            "origin": bent.get("origin", self.origin),
            "crossOrigin": False,
        }
        return to_base64url(json.dumps(told).encode())

    @staticmethod
    def _data(rp_id: str, flags: int, sign_count: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + sign_count.to_bytes(4)


def _cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
    return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})


def _credential(held: Held, response: dict[str, Any]) -> dict[str, Any]:
    name = to_base64url(held.credential_id)
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    }
