"""Certificates as OpenSSL's own verifier sees them, and what the authority refuses to sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from gateway.brokerkit import authority
from gateway.brokerkit.authority import Authority, AuthorityError, Revoked, Validity

NOW = 1_800_000_000
DAY = 86_400
YEAR = Validity(NOW - 3600, NOW + 365 * DAY)
LONG = Validity(NOW - 3600, NOW + 7300 * DAY)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def misaki() -> Authority:
    own = key()
    return Authority("misaki", authority.make_town_ca("misaki", own, 1, LONG), own)


def verifier(ca: x509.Certificate, at: int = NOW) -> PolicyBuilder:
    return PolicyBuilder().store(Store([ca])).time(datetime.fromtimestamp(at, UTC))


def test_the_brokers_certificate_is_good_for_its_hosts_and_no_other(misaki: Authority) -> None:
    hosts = ["broker.misaki.example", "192.0.2.7", "2001:db8::7"]
    server = authority.issue_server(misaki, key().public_key(), hosts, 2, YEAR)
    assert authority.hosts_of(server) == hosts
    policy = verifier(misaki.certificate)
    policy.build_server_verifier(x509.DNSName("broker.misaki.example")).verify(server, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("broker.kanata.example")).verify(server, [])


def test_a_client_certificate_never_serves_and_the_brokers_never_signs_in(
    misaki: Authority,
) -> None:
    server = authority.issue_server(misaki, key().public_key(), ["localhost"], 2, YEAR)
    client = authority.issue_client(misaki, "gw-1", key().public_key(), 3, YEAR)
    purposes = {
        name: list(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        for name, cert in (("server", server), ("client", client))
    }
    assert purposes == {
        "server": [x509.ExtendedKeyUsageOID.SERVER_AUTH],
        "client": [x509.ExtendedKeyUsageOID.CLIENT_AUTH],
    }
    with pytest.raises(VerificationError):
        verifier(misaki.certificate).build_client_verifier().verify(server, [])


def test_a_client_is_known_by_town_and_name(misaki: Authority) -> None:
    client = authority.issue_client(misaki, "gw-1", key().public_key(), 3, YEAR)
    assert authority.identity_of(client) == "misaki.gw-1"
    client.verify_directly_issued_by(misaki.certificate)
    assert misaki.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value == (
        x509.BasicConstraints(ca=True, path_length=0)
    )


@pytest.mark.parametrize(
    "name",
    ["", "GW", "gw/1", "gw+", "#", "gw 1", "kanata.gw-1", "-gw", "gw\n", "ｇｗ", "x" * 33, "%u"],
)
def test_a_name_that_could_mean_something_else_is_not_signed(misaki: Authority, name: str) -> None:
    with pytest.raises(AuthorityError):
        authority.issue_client(misaki, name, key().public_key(), 3, YEAR)


def test_the_brokers_own_name_is_no_clients(misaki: Authority) -> None:
    with pytest.raises(AuthorityError, match="broker"):
        authority.issue_client(misaki, "broker", key().public_key(), 3, YEAR)


def test_an_identity_that_no_certificate_can_hold_is_refused() -> None:
    with pytest.raises(AuthorityError, match="64"):
        authority.common_name("t" * 32, "n" * 32)


@pytest.mark.parametrize("host", ["*", "*.example", "a b", "-a.example", "a..b", "1.2.3.4/8", ""])
def test_a_host_that_is_none_is_not_signed(misaki: Authority, host: str) -> None:
    with pytest.raises(AuthorityError):
        authority.issue_server(misaki, key().public_key(), [host], 2, YEAR)


def test_a_broker_without_a_host_is_not_signed(misaki: Authority) -> None:
    with pytest.raises(AuthorityError):
        authority.issue_server(misaki, key().public_key(), [], 2, YEAR)


def test_no_certificate_outlives_its_ca(misaki: Authority) -> None:
    with pytest.raises(AuthorityError, match="outlive"):
        authority.issue_client(
            misaki, "gw-1", key().public_key(), 3, Validity(NOW, LONG.not_after + 1)
        )


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_a_serial_number_outside_the_standard_is_refused(misaki: Authority, serial: int) -> None:
    with pytest.raises(AuthorityError):
        authority.issue_client(misaki, "gw-1", key().public_key(), serial, YEAR)


def test_a_request_gives_its_key_and_nothing_else() -> None:
    own = key()
    found = authority.request_key(authority.make_request(own, "misaki.gw-1"), "misaki.gw-1")
    assert found == own.public_key()


def test_a_request_for_another_identity_is_refused() -> None:
    request = authority.make_request(key(), "misaki.cloud")
    with pytest.raises(AuthorityError, match=r"misaki\.cloud"):
        authority.request_key(request, "misaki.gw-1")


def test_a_request_whose_signature_does_not_fit_is_refused() -> None:
    request = x509.load_pem_x509_csr(authority.make_request(key(), "misaki.gw-1"))
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    label = "CERTIFICATE REQUEST"
    forged = f"-----BEGIN {label}-----\n{body}-----END {label}-----\n"
    with pytest.raises(AuthorityError):
        authority.request_key(forged.encode(), "misaki.gw-1")


@pytest.mark.parametrize("garbage", [b"", b"x" * 100, b"-----BEGIN CERTIFICATE REQUEST-----\nAA=="])
def test_garbage_is_no_request(garbage: bytes) -> None:
    with pytest.raises(AuthorityError):
        authority.request_key(garbage, "misaki.gw-1")


def test_only_the_agreed_curve_is_signed(misaki: Authority) -> None:
    for other in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(AuthorityError, match="P-256"):
            authority.checked_key(other.public_key())


def test_the_list_names_what_is_revoked_and_is_signed_by_the_town(misaki: Authority) -> None:
    revoked = [Revoked(7, NOW - 5), Revoked(3, NOW - 9)]
    crl = authority.make_crl(misaki, revoked, 12, NOW, LONG.not_after)
    assert sorted(entry.serial_number for entry in crl) == [3, 7]
    assert crl.is_signature_valid(misaki.key.public_key())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 12
    assert crl.next_update_utc == datetime.fromtimestamp(LONG.not_after, UTC)
