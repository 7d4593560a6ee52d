"""What a phone keeps: its device key and the keys it has claimed, in one private file per person.

Decides how a wrapped proof key is opened and what is remembered across restarts. A real phone's
browser keeps the same things in IndexedDB, with a device key that cannot be exported; this file is
readable by its owner alone and labelled as simulated.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud.keywrap import raw_point, unwrap
from cloud.ports import WrappedKey
from kannuki.messages import to_base64url
from protocol.holder import Credential


@dataclass(frozen=True)
class Key:
    """One claimed key: id is the token's cti in hex; token and proof_key in hex."""

    id: str
    lock_id: str
    room: str
    starts_at: int
    ends_at: int
    token: str
    proof_key: str
    relay_ticket: str

    def credential(self) -> Credential:
        """For protocol/holder.py."""
        return Credential(bytes.fromhex(self.token), {self.lock_id: bytes.fromhex(self.proof_key)})

    def public(self) -> dict[str, Any]:
        """What a screen may show."""
        shown = ("id", "lock_id", "room", "starts_at", "ends_at")
        return {name: getattr(self, name) for name in shown}


class Wallet:
    """The keys of one person's phone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.keys: dict[str, Key] = {}
        if file.exists():
            self._load()
        else:
            self._device_key = ec.generate_private_key(ec.SECP256R1())
            self._save()

    def device_key(self) -> str:
        """The public half, as `/v1/keys/claim` wants it."""
        return to_base64url(raw_point(self._device_key.public_key()))

    def add(
        self, booking: dict[str, Any], raw_token: bytes, wrapped: WrappedKey, ticket: str
    ) -> Key:
        """Unwrap and keep one credential."""
        proof_key = unwrap(wrapped, raw_token, self._device_key)
        token = Credential(raw_token, {}).token
        key = Key(
            token.cti.hex(),
            token.audience,
            booking["room"],
            booking["starts_at"],
            booking["ends_at"],
            raw_token.hex(),
            proof_key.hex(),
            ticket,
        )
        self.keys[key.id] = key
        self._save()
        return key

    def _load(self) -> None:
        kept = json.loads(self._file.read_text(encoding="utf-8"))
        loaded = load_pem_private_key(kept["device_key"].encode(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._device_key = loaded
        self.keys = {row["id"]: Key(**row) for row in kept["keys"]}

    def _save(self) -> None:
        pem = self._device_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        rows = [asdict(key) for key in self.keys.values()]
        draft = self._file.with_suffix(".new")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"device_key": pem.decode(), "keys": rows}), encoding="utf-8")
        draft.replace(self._file)
