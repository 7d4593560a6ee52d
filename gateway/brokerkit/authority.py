"""What the certificates of a town's broker say: its CA, the broker, its clients, what is revoked.

Decides names, purposes and extensions (RFC 5280), nothing else: no files, no clock, no randomness.
Keys, serial numbers and times come from the caller. A client is known to the broker by its common
name `TOWN.NAME` alone, so the invariant is: nothing here signs a client of another town, and a
certificate serves one purpose only (a broker's never signs in as a client, nor the reverse).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAX_COMMON_NAME = 64  # RFC 5280, ub-common-name
MAX_SERIAL_BITS = 159  # RFC 5280, 4.1.2.2: at most 20 octets, positive
SERVER_NAME = "broker"
NO_CLIENT = frozenset({SERVER_NAME, "ca"})  # ca.crt lies beside NAME.crt

_PART = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")  # kannuki.messages.DeviceId
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")


class AuthorityError(ValueError):
    """A name, a host, a request or a key that is not signed; the text says why."""


@dataclass(frozen=True)
class Validity:
    """Unix seconds, both ends inclusive."""

    not_before: int
    not_after: int


@dataclass(frozen=True)
class Revoked:
    """A serial number that is believed no more."""

    serial: int
    at: int  # Unix seconds


@dataclass(frozen=True)
class Authority:
    """A town's CA: its certificate and the key that signs."""

    town: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def common_name(town: str, name: str) -> str:
    """The identity `TOWN.NAME` of a client. Raises AuthorityError."""
    for part in (town, name):
        if not _PART.match(part):
            raise AuthorityError(f"'{part}' is no name: 1 to 32 of a-z, 0-9, -")
    value = f"{town}.{name}"
    if len(value) > MAX_COMMON_NAME:
        raise AuthorityError(f"'{value}' is longer than {MAX_COMMON_NAME} characters")
    return value


def make_town_ca(
    town: str, key: ec.EllipticCurvePrivateKey, serial: int, validity: Validity
) -> x509.Certificate:
    """A self-signed CA that signs end entities and revocation lists only."""
    common_name(town, SERVER_NAME)
    subject = _name(f"Kannuki broker CA of {town}")
    builder = _builder(subject, subject, key.public_key(), serial, validity)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def issue_server(
    ca: Authority,
    public_key: ec.EllipticCurvePublicKey,
    hosts: Sequence[str],
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """The broker's certificate at this town's listener, for these host names and addresses."""
    if not hosts:
        raise AuthorityError("a broker's certificate needs a host name or an address")
    names = x509.SubjectAlternativeName([host_name(host) for host in dict.fromkeys(hosts)])
    builder = _leaf(ca, SERVER_NAME, public_key, serial, validity, ExtendedKeyUsageOID.SERVER_AUTH)
    return builder.add_extension(names, critical=False).sign(ca.key, hashes.SHA256())


def issue_client(
    ca: Authority,
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """The certificate by which the broker knows `TOWN.NAME`."""
    if name in NO_CLIENT:
        raise AuthorityError(f"'{name}' is a name of the broker's own, no client's")
    builder = _leaf(ca, name, public_key, serial, validity, ExtendedKeyUsageOID.CLIENT_AUTH)
    return builder.sign(ca.key, hashes.SHA256())


def request_key(pem: bytes, identity: str) -> ec.EllipticCurvePublicKey:
    """The key in a certificate request (PKCS #10) of `identity`, which proved that it has it.

    Nothing else of a request is used. Raises AuthorityError.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        names = [str(n.value) for n in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        signed, key = request.is_signature_valid, request.public_key()
    except (ValueError, InvalidSignature, TypeError) as error:
        raise AuthorityError("this is no certificate request in PEM") from error
    if not signed:
        raise AuthorityError("the request is not signed by the key in it")
    if names not in ([], [identity]):
        raise AuthorityError(f"the request is for {names}, not for '{identity}'")
    return checked_key(key)


def make_request(key: ec.EllipticCurvePrivateKey, identity: str) -> bytes:
    """A certificate request (PEM), for whoever keeps the key to itself."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(identity))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def checked_key(key: object) -> ec.EllipticCurvePublicKey:
    """`key` if it is ECDSA P-256. Raises AuthorityError."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise AuthorityError("the key is not ECDSA P-256")


def make_crl(
    ca: Authority, revoked: Iterable[Revoked], number: int, now: int, next_update: int
) -> x509.CertificateRevocationList:
    """What is revoked. `number` grows with every list.

    OpenSSL refuses *every* client once next_update has passed: a list that lies beside its broker
    and is replaced on each revocation should last as long as its CA.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(_when(now))
        .next_update(_when(next_update))
        .add_extension(_authority_key(ca.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in sorted(revoked, key=lambda entry: entry.serial):
        one = x509.RevokedCertificateBuilder().serial_number(entry.serial)
        builder = builder.add_revoked_certificate(one.revocation_date(_when(entry.at)).build())
    return builder.sign(ca.key, hashes.SHA256())


def host_name(host: str) -> x509.GeneralName:
    """A host name or an address, as a certificate names it. Raises AuthorityError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _HOST.match(host):
        raise AuthorityError(f"'{host}' is neither a host name nor an address")
    return x509.DNSName(host)


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses a broker's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def identity_of(certificate: x509.Certificate) -> str:
    """The common name; empty when there is not exactly one."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _leaf(
    ca: Authority,
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    serial: int,
    validity: Validity,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    if validity.not_after > int(ca.certificate.not_valid_after_utc.timestamp()):
        raise AuthorityError("a certificate cannot outlive its CA: choose fewer days")
    subject = _name(common_name(ca.town, name))
    key = checked_key(public_key)
    return (
        _builder(subject, ca.certificate.subject, key, serial, validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(_authority_key(ca.certificate), critical=False)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    serial: int,
    validity: Validity,
) -> x509.CertificateBuilder:
    if not 0 < serial < 1 << MAX_SERIAL_BITS:
        raise AuthorityError("a serial number is positive and has at most 159 bits")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(_when(validity.not_before))
        .not_valid_after(_when(validity.not_after))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _when(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
