"""Enrolment: the lock makes its own keys, checks whom it is to trust, and names its public halves.

Decides what is written and in which order: an old identity goes first, the new one is written last,
so that a cut leaves a lock that is not enrolled rather than one that cannot answer. The private
halves never leave `storage`. Enrolling again keeps nothing of the old identity, its journal
included; the bench raises the journal's epoch, so that the town can tell the two apart.
"""

from firmware.core import identity as identities
from firmware.core import secrets
from firmware.core.documents import DocumentStore
from firmware.core.identity import Identity
from firmware.core.secrets import Secrets
from protocol import keyset as keysets
from protocol import lockconfig, verify
from protocol.cose import CoseError
from protocol.crypto import Crypto
from protocol.keyset import Keyset, KeysetError
from protocol.lockconfig import LockConfigError
from protocol.shim import Any

_OLD_FOLDERS = ("journal",)
_OLD_FILES = ("status.a", "status.b")


class EnrolmentError(ValueError):
    """What the bench brought does not hold together; nothing was written."""


def enrol(
    identity: Identity,
    keyset_document: bytes,
    config_document: bytes | None,
    storage: Any,
    crypto: Crypto,
) -> Secrets:
    """Make keys, write everything; the new secrets. Raises EnrolmentError before any write."""
    keyset = _checked_keyset(identity, keyset_document, crypto)
    version = _checked_config(identity, config_document, keyset, crypto)
    raw = secrets.make(crypto.random_bytes)
    _check_vaults(identity, keyset, Secrets(raw))
    forget(storage)
    storage.write(secrets.SECRET_FILE, raw)
    DocumentStore(storage, identities.KEYSET_NAME).save(keyset_document, keyset.version)
    if config_document is not None:
        DocumentStore(storage, identities.CONFIG_NAME).save(config_document, version)
    storage.write(identities.IDENTITY_FILE, identities.encode(identity))
    return Secrets(raw)


def forget(storage: Any) -> None:
    """Retire this lock: the identity goes first, then everything that it kept."""
    storage.delete(identities.IDENTITY_FILE)
    storage.delete(secrets.SECRET_FILE)
    for folder in _OLD_FOLDERS:
        for name in storage.names(folder):
            storage.delete(folder + "/" + name)
    for name in _OLD_FILES:
        storage.delete(name)
    for name in (identities.KEYSET_NAME, identities.CONFIG_NAME):
        DocumentStore(storage, name).delete()


def _checked_keyset(identity: Identity, document: bytes, crypto: Crypto) -> Keyset:
    """The keyset, if one of the identity's roots signed it."""
    try:
        signed, keyset = keysets.parse(document)
    except (CoseError, KeysetError):
        raise EnrolmentError("the keyset cannot be read")
    believed = Keyset(identity.town, 0, 0, [], {}, identity.roots)
    if not verify.verify_root(believed, crypto, signed, keysets.CONTEXT):
        raise EnrolmentError("no root that this lock is told of signed the keyset")
    if not believed.may_be_followed_by(keyset):
        raise EnrolmentError("the keyset is another town's, or names two other roots")
    return keyset


def _check_vaults(identity: Identity, keyset: Keyset, made: Secrets) -> None:
    """A key that nothing can be agreed with would keep this lock from ever starting."""
    try:
        made.kdks(identity.lock_id, keyset)
    except ValueError:
        raise EnrolmentError("the keyset names a vault's key of small order")


def _checked_config(
    identity: Identity, document: bytes | None, keyset: Keyset, crypto: Crypto
) -> int:
    """The version of the configuration, if the town's config key signed it for this lock."""
    if document is None:
        return 0
    try:
        signed, config = lockconfig.parse(document)
    except (CoseError, LockConfigError):
        raise EnrolmentError("the configuration cannot be read")
    role, context = keysets.ROLE_CONFIG, lockconfig.CONTEXT
    if config.lock_id != identity.lock_id:
        raise EnrolmentError("the configuration is another lock's")
    if not verify.verify_document(keyset, crypto, signed, role, context):
        raise EnrolmentError("the town's config key did not sign the configuration")
    return config.version
