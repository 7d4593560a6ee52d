"""A town's certificates of every kind, good and bad, and a real Mosquitto that asks for them."""

from __future__ import annotations

import getpass
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.brokerkit import authority
from gateway.brokerkit.acl import Rights, acl_text
from gateway.brokerkit.authority import Authority, Revoked, Validity
from gateway.brokerkit.mosquitto import Broker, Listener, config_text
from kannuki.backoff import Backoff
from kannuki.broker_access import BrokerAccess
from kannuki.broker_options import AccessFiles
from kannuki.mqtt import LinkSettings, MqttLink
from kannuki.parts import require_program
from kannuki.supervisor import ChildSpec

TOWN = "misaki"
DAY_S = 86_400
YEAR_S = 365 * DAY_S
HOST = "localhost"


def now() -> int:
    return int(time.time())


@dataclass
class Issued:
    """A certificate and the files it is in."""

    certificate: x509.Certificate
    cert: Path
    key: Path


@dataclass
class Papers:
    """What a town's authority hands out, in one folder."""

    folder: Path
    town: str = TOWN
    revoked: list[Revoked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        key = ec.generate_private_key(ec.SECP256R1())
        whole = Validity(now() - 10 * YEAR_S, now() + 10 * YEAR_S)
        certificate = authority.make_town_ca(self.town, key, x509.random_serial_number(), whole)
        self.authority = Authority(self.town, certificate, key)
        self.ca = self.folder / "ca.crt"
        self.ca.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.crl = self.folder / "revoked.crl"
        self.write_crl()

    def write_crl(self, good_for_s: int = YEAR_S) -> None:
        made_at = now() - 2 * DAY_S
        crl = authority.make_crl(self.authority, self.revoked, made_at, made_at, now() + good_for_s)
        self.crl.write_bytes(crl.public_bytes(Encoding.PEM))

    def revoke(self, issued: Issued) -> None:
        self.revoked.append(Revoked(issued.certificate.serial_number, now() - DAY_S))
        self.write_crl()

    def client(self, name: str, begins_s: int = -DAY_S, ends_s: int = YEAR_S) -> Issued:
        """For NAME.crt and NAME.key; written over what was there, as a renewal does."""
        return self._issue(name, begins_s, ends_s, None)

    def server(
        self, hosts: list[str], begins_s: int = -DAY_S, ends_s: int = YEAR_S, name: str = "broker"
    ) -> Issued:
        return self._issue(name, begins_s, ends_s, hosts)

    def _issue(self, name: str, begins_s: int, ends_s: int, hosts: list[str] | None) -> Issued:
        key, serial = ec.generate_private_key(ec.SECP256R1()), x509.random_serial_number()
        validity = Validity(now() + begins_s, now() + ends_s)
        if hosts is None:
            made = authority.issue_client(self.authority, name, key.public_key(), serial, validity)
        else:
            made = authority.issue_server(self.authority, key.public_key(), hosts, serial, validity)
        issued = Issued(made, self.folder / f"{name}.crt", self.folder / f"{name}.key")
        write_pair(issued, key)
        return issued

    def files(self, issued: Issued, crl: bool = False) -> AccessFiles:
        return AccessFiles(self.ca, issued.cert, issued.key, self.crl if crl else None)


def write_pair(issued: Issued, key: ec.EllipticCurvePrivateKey) -> None:
    """Key first, then certificate, each whole: between the two they do not belong together."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, content, mode in (
        (issued.key, pem, 0o600),
        (issued.cert, issued.certificate.public_bytes(Encoding.PEM), 0o644),
    ):
        new = path.with_suffix(path.suffix + ".new")
        new.touch(mode)
        new.write_bytes(content)
        new.replace(path)


GATEWAYS: dict[str, list[str]] = {"gw-1": ["aaaaaaaa"], "gw-2": ["bbbbbbbb"]}


def tls_broker_spec(
    folder: Path,
    port: int,
    papers: Papers,
    server: Issued,
    gateways: dict[str, list[str]] = GATEWAYS,
) -> ChildSpec:
    """A supervised Mosquitto with brokerkit's own configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    town = folder / papers.town
    town.mkdir(exist_ok=True)
    for name, path in (
        ("ca.crt", papers.ca), ("broker.crt", server.cert), ("broker.key", server.key),
        ("revoked.crl", papers.crl),
    ):  # fmt: skip
        (town / name).unlink(missing_ok=True)
        (town / name).symlink_to(path)
    (town / "acl").write_text(acl_text(Rights(papers.town, gateways, clouds=["cloud"])))
    user = "root" if os.geteuid() == 0 else getpass.getuser()
    broker = Broker(folder / "data", user)
    broker.data_dir.mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(config_text(broker, [Listener(papers.town, town, port, "127.0.0.1")]))
    argv = (str(require_program("mosquitto")), "-c", str(config))
    again = Backoff(first_s=0.05, max_s=0.2)
    return ChildSpec("broker", argv, folder / "broker.log", port=port, ready="port", restart=again)


def tls_link(
    port: int, files: AccessFiles, client_id: str, wall: Any = time.time, **changes: Any
) -> MqttLink:
    """As gateway and cloud connect; impatient, for tests."""
    told: dict[str, Any] = {
        "host": HOST,
        "backoff": Backoff(first_s=0.02, max_s=0.2),
        "session_expiry_s": 300,
        "renewal_check_s": 0.1,
        **changes,
    }
    hooks = {"on_connected": told.pop("on_connected", None)}
    settings = LinkSettings(port=port, client_id=client_id, tls=BrokerAccess(files, wall), **told)
    return MqttLink(settings, random=lambda: 0.5, **hooks)
