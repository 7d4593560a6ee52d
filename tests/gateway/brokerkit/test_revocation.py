"""Who is no longer believed: connected, away with a session, with a will, with something retained.

Each test has the broker to itself again: names are revoked once and for all, so each takes another.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.brokerkit import authority
from gateway.brokerkit.authority import Authority, Validity
from gateway.brokerkit.kit import Wishes, key_bytes, load_key
from kannuki.messages import topic
from tests.gateway.brokerkit.brokers import Broker, kit_of, new_key
from tests.gateway.brokerkit.wire import NOT_AUTHORISED, Wire, open_wire, tls

pytestmark = pytest.mark.slow

REFUSED = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)
NAMES = [f"gw-{number}" for number in range(1, 20)]
LOCKS = {name: [f"lock{chr(97 + at) * 4}"] for at, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    made = Broker()
    made.kit.set_up("misaki", Wishes(gateways=LOCKS), [])
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return iter(NAMES)


@pytest.fixture
def name(names: Iterator[str]) -> str:
    """A gateway that no other test has revoked."""
    return next(names)


@asynccontextmanager
async def cloud_of(broker: Broker, name: str = "cloud") -> AsyncIterator[Wire]:
    cloud = await broker.open("misaki", name)
    yield cloud
    await cloud.leave()


async def command(broker: Broker, name: str, payload: bytes) -> None:
    async with cloud_of(broker) as cloud:
        assert await cloud.publish(topic("misaki", name, "command"), payload) == 0


async def is_refused(broker: Broker, name: str, town: str = "misaki", at: str = "") -> bool:
    try:
        wire = await broker.open(town, name, at=at or None)
    except REFUSED:
        return True
    await wire.drop()
    return False


def keep(broker: Broker, name: str) -> dict[str, bytes]:
    """A thief's copy of what a gateway holds."""
    folder = broker.client("misaki", name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_back(broker: Broker, name: str, stolen: dict[str, bytes]) -> None:
    for file, content in stolen.items():
        path = broker.client("misaki", name) / file
        path.write_bytes(content)
        path.chmod(0o600)


async def test_a_revoked_gateway_that_is_connected_is_thrown_out_and_stays_out(
    broker: Broker, name: str
) -> None:
    wire = await broker.open("misaki", name)
    await wire.subscribe("#", topic("misaki", name, "command"))
    await command(broker, name, b"before")
    await wire.hear(b"before")
    stolen, known = keep(broker, name), len(wire.came)

    assert broker.kit.revoke("misaki", name, False).action == "restart"
    broker.restart()

    await asyncio.wait_for(wire.closed.wait(), 10)
    await command(broker, name, b"after")
    put_back(broker, name, stolen)
    assert await is_refused(broker, name)
    assert sum(said.size for said in wire.came[known:]) == 0


async def test_a_will_of_one_who_was_revoked_is_not_said_after_the_restart(
    broker: Broker, name: str
) -> None:
    """At most once, as the broker goes down and while it is still believed: on its own topic."""
    state = topic("misaki", name, "state")
    wire = await broker.open("misaki", name, will=(state, b"last words"))
    broker.kit.revoke("misaki", name, False)
    broker.restart()
    async with cloud_of(broker) as cloud:
        await cloud.publish(state, b"", retain=True)  # whatever was left
        await cloud.subscribe(state)
        await asyncio.wait_for(wire.closed.wait(), 10)
        await cloud.fence()
        assert all(said.payload != b"last words" for said in cloud.came)


async def test_a_will_of_one_who_is_believed_is_said(broker: Broker, name: str) -> None:
    """So that the test before can fail."""
    state = topic("misaki", name, "state")
    wire = await broker.open("misaki", name, will=(state, b"last words"))
    async with cloud_of(broker) as cloud:
        await cloud.subscribe(topic("misaki", "+", "state"))
        await wire.drop()
        await cloud.hear(b"last words")


async def test_a_session_that_waited_for_a_revoked_gateway_gives_it_nothing(
    broker: Broker, name: str
) -> None:
    """Queued while away, revoked, back: refused at the door, and nothing even inside of it."""
    await _leave_a_session(broker, name)
    await command(broker, name, b"queued for the thief")
    stolen = keep(broker, name)
    broker.kit.revoke("misaki", name, False)
    broker.restart()
    put_back(broker, name, stolen)
    assert await is_refused(broker, name)

    # A hole is planted: the revocation list is forgotten, so that only the ACL stands.
    _write_empty_crl(broker)
    broker.restart()
    thief = await broker.open("misaki", name, clean=False, expiry_s=600)
    await command(broker, name, b"said to the thief")
    await thief.fence()
    assert thief.session_present
    assert sum(said.size for said in thief.came) == 0
    await thief.leave()
    broker.kit.set_up("misaki", Wishes(), [])  # mends what does not say what the register says
    broker.restart()
    assert await is_refused(broker, name)


async def test_a_session_of_one_who_is_believed_is_kept_over_a_restart(
    broker: Broker, name: str
) -> None:
    """Its subscription at least. Mosquitto 2.0.12 and later queue nothing for the absent of a
    broker with several listeners; ours must not rely on it, and test_running looks at one town."""
    await _leave_a_session(broker, name)
    broker.restart()
    wire = await broker.open("misaki", name, clean=False, expiry_s=600)
    assert wire.session_present
    await command(broker, name, b"after the restart")
    await wire.hear(b"after the restart")
    await wire.leave()


async def _leave_a_session(broker: Broker, name: str) -> None:
    wire = await broker.open("misaki", name, clean=False, expiry_s=600)
    assert await wire.subscribe(topic("misaki", name, "command")) == [1]
    await wire.drop()


def _write_empty_crl(broker: Broker) -> None:
    folder = broker.root / "authority" / "misaki"
    ca = _authority_of(broker, "misaki")
    ends = int(ca.certificate.not_valid_after_utc.timestamp())
    crl = authority.make_crl(ca, [], 99, ends - 10**9, ends)
    path = broker.acl("misaki").with_name("revoked.crl")
    path.write_bytes(crl.public_bytes(Encoding.PEM))
    assert folder.exists()


def _authority_of(broker: Broker, town: str) -> Authority:
    from cryptography import x509

    folder = broker.root / "authority" / town
    certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    return Authority(town, certificate, load_key(folder / "ca.key"))


async def test_the_town_can_take_back_what_a_revoked_gateway_left_retained(
    broker: Broker, name: str
) -> None:
    """A restarted Mosquitto 2.0 has forgotten who retained what: the town clears it itself."""
    wire = await broker.open("misaki", name)
    state = topic("misaki", name, "state")
    assert await wire.publish(state, b"left behind", retain=True) == 0
    await wire.leave()
    async with cloud_of(broker) as cloud:
        assert await cloud.publish(state, b"", retain=True) == NOT_AUTHORISED
    broker.kit.revoke("misaki", name, False)
    broker.restart()
    async with cloud_of(broker) as cloud:
        assert await cloud.publish(state, b"", retain=True) == 0
    assert await _retained(broker, state) == []


async def _retained(broker: Broker, address: str) -> list[bytes]:
    async with cloud_of(broker) as cloud:
        await cloud.subscribe(address)
        await cloud.fence()
        return [said.payload for said in cloud.came]


async def test_a_stolen_key_is_replaced_and_the_thief_is_out_after_a_restart(
    broker: Broker, name: str
) -> None:
    stolen = keep(broker, name)
    thief = await broker.open("misaki", name)
    renewed = broker.kit.renew("misaki", [name], 0, 365, new_key=True)
    assert [one.name for one in renewed.issued] == [name]
    assert broker.kit.revoke("misaki", name, old_only=True).action == "restart"
    fresh = keep(broker, name)
    assert fresh[f"{name}.key"] != stolen[f"{name}.key"]
    broker.restart()
    assert thief.closed.is_set() or await asyncio.wait_for(thief.closed.wait(), 10)
    put_back(broker, name, stolen)
    assert await is_refused(broker, name)
    put_back(broker, name, fresh)
    assert not await is_refused(broker, name)


async def test_a_name_given_again_is_a_new_key_and_asks_for_a_restart(
    broker: Broker, name: str
) -> None:
    """An idle thief would otherwise get its rights back together with the name."""
    stolen = keep(broker, name)
    broker.kit.revoke("misaki", name, False)
    again = broker.kit.set_up("misaki", Wishes(gateways={name: LOCKS[name]}), [])
    assert again.action == "restart"
    fresh = keep(broker, name)
    assert fresh[f"{name}.key"] != stolen[f"{name}.key"]
    broker.restart()
    put_back(broker, name, stolen)
    assert await is_refused(broker, name)
    put_back(broker, name, fresh)
    assert not await is_refused(broker, name)


async def test_renewal_lets_the_old_certificate_work_until_the_new_one_has_arrived(
    broker: Broker, name: str
) -> None:
    old = keep(broker, name)
    broker.kit.renew("misaki", [name], 0, 365, new_key=False)
    new = keep(broker, name)
    assert new[f"{name}.key"] == old[f"{name}.key"]
    assert new[f"{name}.crt"] != old[f"{name}.crt"]
    for files in (old, new):
        put_back(broker, name, files)
        assert not await is_refused(broker, name)


async def test_the_brokers_own_certificate_is_renewed(broker: Broker) -> None:
    before = await _served_serial(broker)
    assert broker.kit.renew("misaki", ["broker"], 0, 365, new_key=True).action == "restart"
    broker.restart()
    assert await _served_serial(broker) != before


async def _served_serial(broker: Broker) -> str:
    wire = await broker.open("misaki", "cloud")
    served = wire.writer.get_extra_info("ssl_object").getpeercert()
    await wire.leave()
    return str(served["serialNumber"])


# --- who is not let in at all ---


async def test_a_certificate_of_one_town_is_no_certificate_at_anothers_door(
    broker: Broker,
) -> None:
    assert await is_refused(broker, "gw-2", town="kanata", at="misaki")
    context = tls(broker.client("kanata", "gw-2"), "gw-2")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the thief does not mind who answers
    with pytest.raises(REFUSED):
        await open_wire(broker.ports["misaki"], context)


async def test_without_a_certificate_nobody_is_let_in(broker: Broker) -> None:
    ca = str(broker.client("misaki", "cloud") / "ca.crt")
    with pytest.raises(REFUSED):
        await open_wire(broker.ports["misaki"], ssl.create_default_context(cafile=ca))


async def test_without_tls_nobody_is_let_in(broker: Broker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.ports["misaki"])
    writer.write(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x03any")
    try:
        answer = await asyncio.wait_for(reader.read(100), 10)
    except ConnectionError:
        answer = b""
    assert not answer.startswith(b"\x20")  # a CONNACK
    writer.close()


async def test_the_broker_is_not_believed_by_another_towns_clients(broker: Broker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await broker.open("kanata", "gw-2", at="misaki")


async def test_tls_1_1_is_not_spoken(broker: Broker) -> None:
    context = tls(broker.client("misaki", "cloud"), "cloud")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(REFUSED):
        await open_wire(broker.ports["misaki"], context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are(broker: Broker, version: ssl.TLSVersion) -> None:
    context = tls(broker.client("misaki", "cloud"), "cloud")
    context.minimum_version = context.maximum_version = version
    wire = await open_wire(broker.ports["misaki"], context)
    assert wire.reason == 0
    await wire.leave()


def _forge(broker: Broker, ca: Authority, name: str, validity: Validity | None = None) -> None:
    """A certificate that the kit itself would not make, in the place of a client's."""
    ends = int(ca.certificate.not_valid_after_utc.timestamp())
    key = new_key()
    made = authority.issue_client(
        ca, name, key.public_key(), 4711, validity or Validity(ends - 10**9, ends)
    )
    folder = broker.client("misaki", "forged")
    folder.mkdir(exist_ok=True)
    (folder / "forged.key").touch(0o600)
    (folder / "forged.key").write_bytes(key_bytes(key))
    (folder / "forged.crt").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "ca.crt").write_bytes((broker.client("misaki", "cloud") / "ca.crt").read_bytes())


async def test_an_expired_certificate_is_refused(broker: Broker) -> None:
    ca = _authority_of(broker, "misaki")
    _forge(broker, ca, "home", Validity(1_000_000_000, 1_000_086_400))
    assert await is_refused(broker, "forged")
    _forge(broker, ca, "home")
    assert not await is_refused(broker, "forged")


async def test_the_brokers_certificate_does_not_sign_in(broker: Broker) -> None:
    serving = broker.acl("misaki").parent
    context = ssl.create_default_context(cafile=str(serving / "ca.crt"))
    context.load_cert_chain(serving / "broker.crt", serving / "broker.key")
    with pytest.raises(REFUSED):
        await open_wire(broker.ports["misaki"], context)


async def test_another_towns_name_signed_by_the_own_town_hears_and_says_nothing(
    broker: Broker,
) -> None:
    """Whoever stole misaki's authority names a gateway of kanata: it has no rights at misaki's
    listener, neither live nor from the session that kanata's gateway left behind."""
    gateway = await broker.open("kanata", "gw-2", clean=False, expiry_s=600)
    command_topic = topic("kanata", "gw-2", "command")
    await gateway.subscribe(command_topic)
    await gateway.drop()
    cloud = await broker.open("kanata", "cloud")
    await cloud.subscribe("#")
    assert await cloud.publish(command_topic, b"queued") == 0

    _forge(broker, _foreign_name(broker), "gw-2")
    thief = await broker.open("misaki", "forged", clean=False, expiry_s=600)
    await thief.subscribe("#", command_topic)
    assert await cloud.publish(command_topic, b"live") == 0
    event = topic("kanata", "gw-2", "event")
    assert await thief.publish(event, b"FORGED", retain=True) == NOT_AUTHORISED
    await thief.fence()
    await cloud.fence()
    assert sum(said.size for said in thief.came) == 0
    assert cloud.came == []
    await thief.leave()
    await cloud.leave()


def _foreign_name(broker: Broker) -> Authority:
    own = _authority_of(broker, "misaki")
    return Authority("kanata", own.certificate, own.key)


@pytest.mark.parametrize("name", ["+", "#", "%u", "misaki", "misaki.cloud/x"])
async def test_a_wildcard_for_a_name_has_no_rights(broker: Broker, name: str) -> None:
    own = _authority_of(broker, "misaki")
    _forge(broker, own, "home")
    folder = broker.client("misaki", "forged")
    odd = _odd_certificate(own, name, load_key(folder / "forged.key"))
    (folder / "forged.crt").write_bytes(odd)
    thief = await broker.open("misaki", "forged")
    await thief.subscribe("#")
    await command(broker, "gw-19", b"not for the odd")
    assert await thief.publish(topic("misaki", "gw-19", "state"), b"FORGED") == NOT_AUTHORISED
    await thief.fence()
    assert sum(said.size for said in thief.came) == 0
    await thief.drop()


def _odd_certificate(ca: Authority, name: str, key: authority.ec.EllipticCurvePrivateKey) -> bytes:
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(8), "big") | 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(ca.certificate.not_valid_after_utc)
        .sign(ca.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def test_time_is_an_argument(broker: Broker) -> None:
    """The kit of 2050 sees today's certificates as expired."""
    rows = kit_of(broker.root, now=2_550_000_000).rows("misaki")
    assert {row.state for row in rows if row.name == "cloud"} == {"expired"}
