"""Checks what a lock is told at the bench: a root must have signed the keyset, a key the rest.

Decides nothing about who the roots are: whoever brings the file vouches for them. The verdict on
the signature is libsodium's, as the lock's is.
"""

from __future__ import annotations

from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from kannuki.enrolment import FileError, TrustFile, read_file
from protocol import cose, keyset, lockconfig
from protocol.cose import CoseError
from protocol.keys import KEY_BYTES, key_id
from protocol.keyset import Keyset, KeysetError
from protocol.lockconfig import LockConfig, LockConfigError


def read_trust(path: Path) -> tuple[TrustFile, Keyset]:
    """The file and the keyset in it. Raises FileError that says what is wrong."""
    trust = read_file(path, TrustFile)
    try:
        return trust, check_trust(trust)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def check_trust(trust: TrustFile) -> Keyset:
    """The keyset of a trust file whose parts fit. Raises FileError."""
    if any(len(root) != KEY_BYTES for root in trust.roots):
        raise FileError("a root key has 32 bytes")
    try:
        signed, content = keyset.parse(trust.keyset)
    except (CoseError, KeysetError) as error:
        raise FileError(f"the keyset cannot be read: {error}") from None
    if content.town != trust.town:
        raise FileError(f"the keyset is of the town '{content.town}', not '{trust.town}'")
    if set(content.roots) != set(trust.roots):
        raise FileError("the keyset names other roots than the file")
    if not _is_signed(trust.roots, signed):
        raise FileError("no root of the file has signed the keyset")
    return content


def check_config(document: bytes, trust: TrustFile, lock_id: str) -> LockConfig:
    """The configuration that a config key of the town signed for this lock. Raises FileError."""
    rows = keyset.decode(cose.decode(trust.keyset).payload).keys
    try:
        signed, config = lockconfig.parse(document)
    except (CoseError, LockConfigError) as error:
        raise FileError(f"this is no configuration: {error}") from None
    issuer = rows.get(signed.kid)
    if issuer is None or issuer.role != keyset.ROLE_CONFIG:
        raise FileError("no config key of the town has signed it")
    if not _verify(issuer.public_key, signed, lockconfig.CONTEXT):
        raise FileError("its signature is wrong")
    if config.lock_id != lock_id:
        raise FileError(f"it is for the lock {config.lock_id}")
    return config


def _is_signed(roots: list[bytes], signed: cose.Signed) -> bool:
    return any(
        key_id(root) == signed.kid and _verify(root, signed, keyset.CONTEXT) for root in roots
    )


def _verify(public_key: bytes, signed: cose.Signed, context: bytes) -> bool:
    try:
        VerifyKey(public_key).verify(signed.signed_bytes(context), signed.signature)
    except (BadSignatureError, ValueError):
        return False
    return True
