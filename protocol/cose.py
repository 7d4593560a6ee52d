"""COSE_Sign1 (RFC 9052 section 4.2) with one algorithm and one key, the envelope of all documents.

Decides whether bytes have exactly the form we sign: tag 18, protected {1: -19, 4: kid}, nothing
unprotected, a payload, 64 bytes of signature. It does not check the signature: `signed_bytes`
gives what the signature covers, so that a caller can put cheaper checks first. `context` is the
external_aad: empty for tokens (a plain CWT), a fixed label for every other kind of document, so
that one kind can never be read as another.
"""

from protocol import cbor
from protocol.cbor import CborError
from protocol.keys import KID_BYTES

ALG_ED25519 = -19  # RFC 9864; see docs/adr/0002
TAG_SIGN1 = 18
SIGNATURE_BYTES = 64

_HEADER_ALG = 1
_HEADER_KID = 4


class CoseError(ValueError):
    """The bytes are not a COSE_Sign1 of our one form."""


class Signed:
    """A parsed but unverified envelope: `kid` 4 bytes, `payload`, `signature` 64 bytes."""

    def __init__(self, protected: bytes, kid: bytes, payload: bytes, signature: bytes) -> None:
        self.protected = protected
        self.kid = kid
        self.payload = payload
        self.signature = signature

    def signed_bytes(self, context: bytes = b"") -> bytes:
        """The Sig_structure (RFC 9052 section 4.4) that the signature covers."""
        return _sig_structure(self.protected, context, self.payload)


def to_sign(kid: bytes, payload: bytes, context: bytes = b"") -> bytes:
    """The bytes that the key named `kid` signs to make an envelope of `payload`."""
    return _sig_structure(_protected(kid), context, payload)


def encode(kid: bytes, payload: bytes, signature: bytes) -> bytes:
    """The envelope of `payload` with a `signature` made over `to_sign(...)`."""
    if len(signature) != SIGNATURE_BYTES:
        raise CoseError("a signature has 64 bytes")
    return cbor.encode(cbor.Tag(TAG_SIGN1, [_protected(kid), {}, payload, signature]))


def decode(data: bytes) -> Signed:
    """The parts of an envelope. Raises CoseError for anything but our one form."""
    try:
        protected, unprotected, payload, signature = _members(cbor.decode(data, (TAG_SIGN1,)))
        kid = _kid(cbor.decode(protected))
    except (CborError, TypeError, ValueError) as error:
        raise CoseError(str(error))
    if unprotected != {} or not isinstance(payload, bytes):
        raise CoseError("unexpected header or payload")
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise CoseError("a signature has 64 bytes")
    return Signed(protected, kid, payload, signature)


def _members(item: object) -> list:
    if not isinstance(item, cbor.Tag) or not isinstance(item.value, list) or len(item.value) != 4:
        raise CoseError("not a COSE_Sign1")
    if not isinstance(item.value[0], bytes):
        raise CoseError("the protected header is a byte string")
    return item.value


def _kid(header: object) -> bytes:
    if not isinstance(header, dict) or len(header) != 2 or header.get(_HEADER_ALG) != ALG_ED25519:
        raise CoseError("unexpected protected header")
    kid = header.get(_HEADER_KID)
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise CoseError("kid has 4 bytes")
    return kid


def _protected(kid: bytes) -> bytes:
    if len(kid) != KID_BYTES:
        raise CoseError("kid has 4 bytes")
    return cbor.encode({_HEADER_ALG: ALG_ED25519, _HEADER_KID: kid})


def _sig_structure(protected: bytes, context: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, context, payload])
