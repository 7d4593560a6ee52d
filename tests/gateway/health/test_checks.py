"""`kannuki gateway check`: what is broken is found by its code, told plainly, and left alone."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import sqlite3
import ssl
import time
from pathlib import Path

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
)
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway import checks
from gateway.cli import gateway
from gateway.health import findings, host, runnote
from gateway.health.findings import CODES, Finding, Level
from gateway.health.monitor import HealthOptions
from gateway.health.probes import broker, computer, papers, radio, running
from gateway.health.probes.broker import Target
from gateway.machine import StoredEvent
from gateway.store import FILE_NAME, SqliteStore
from kannuki.broker_options import Access, AccessFiles
from kannuki.parts import require_program
from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A, LOCK_B, LOCK_C, T0, TOWN, credential
from tests.gateway.health.town import (
    BOUND_S,
    make_app,
    mosquitto,
    until,
    write_gateway_file,
)
from tests.gateway.health.town import running as at_work

DAY = 86400.0


# --- the words ---


def test_codes_are_never_renamed() -> None:
    """Monitoring is built on them: add at the end of a group, take none away."""
    kept = Path(__file__).with_name("codes.txt").read_text(encoding="utf-8").split()
    assert set(kept) <= CODES.keys()
    assert CODES.keys() <= set(kept), "a new code: add it to codes.txt"


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (["FILE_OK", "BLUETOOTH_OK"], 0),
        (["FILE_OK", "CLOCK_UNSYNCHRONISED", "LOCK_WEAK"], 0),
        (["BROKER_UNREACHABLE", "LOCK_WEAK"], 1),
        (["BROKER_UNREACHABLE", "BLUETOOTH_NO_SERVICE"], 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst(codes: list[str], code: int) -> None:
    assert findings.exit_code(Finding("x", each, "") for each in codes) == code


# --- the gateway file ---


def test_a_good_file_and_good_tokens(tmp_path: Path) -> None:
    path = write_gateway_file(tmp_path / "g.json", {LOCK_A: credential(LOCK_A)})
    place, found = papers.read_file(path)
    assert place is not None
    assert [each.code for each in found + papers.judge_tokens(place, T0)] == [
        "FILE_OK",
        "TOKENS_OK",
    ]


@pytest.mark.parametrize(
    ("left_s", "code"),
    [(30 * DAY, "TOKENS_OK"), (13 * DAY, "TOKENS_END_SOON"), (-1.0, "TOKENS_ENDED")],
)
def test_the_first_token_that_ends_is_told_with_its_lock(
    tmp_path: Path, left_s: float, code: str
) -> None:
    keys = {LOCK_A: credential(LOCK_A, lasts_s=10**8), LOCK_B: credential(LOCK_B, lasts_s=10**7)}
    place, _ = papers.read_file(write_gateway_file(tmp_path / "g.json", keys))
    assert place is not None
    (found,) = papers.judge_tokens(place, T0 + 10**7 - left_s)
    assert found.code == code
    assert code == "TOKENS_OK" or (LOCK_B in found.text and LOCK_A not in found.text)


def test_a_file_that_is_missing_broken_open_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    assert papers.read_file(path)[1][0].code == "FILE_UNUSABLE"
    path.write_text("{")
    assert papers.read_file(path)[1][0].code == "FILE_UNUSABLE"
    path.unlink()
    write_gateway_file(path, {})
    assert papers.read_file(path)[1][0].code == "FILE_NO_LOCKS"
    path.chmod(0o644)
    (found,) = papers.read_file(path)[1]
    assert (found.code, found.remedy) == ("FILE_OPEN_TO_OTHERS", f"chmod 600 {path}")


@pytest.mark.parametrize(
    ("left_s", "code"),
    [
        (100 * DAY, "CERTIFICATES_OK"),
        (20 * DAY, "CERTIFICATES_END_SOON"),
        (-5 * DAY, "CERTIFICATES_ENDED"),
    ],
)
def test_the_certificate_that_ends_first_counts(left_s: float, code: str) -> None:
    found = papers.judge_certificates({"own": T0 + left_s, "ca": T0 + 3650 * DAY}, T0)
    assert found.code == code and "'own'" in found.text


# --- this computer ---


@pytest.mark.parametrize(
    ("wall", "sync", "code"),
    [
        (T0, host.ClockSync(True, 0.1), "CLOCK_OK"),
        (T0, host.ClockSync(False, 16.0), "CLOCK_UNSYNCHRONISED"),
        (T0, None, "CLOCK_UNKNOWN"),
        (0.0, host.ClockSync(True, 0.1), "CLOCK_IN_THE_PAST"),
    ],
)
def test_a_clock_before_its_own_papers_is_wrong_whatever_the_kernel_says(
    tmp_path: Path, wall: float, sync: host.ClockSync | None, code: str
) -> None:
    path = write_gateway_file(tmp_path / "g.json", {LOCK_A: credential(LOCK_A)})
    os.utime(path, (T0 - 700, T0 - 700))
    place, _ = papers.read_file(path)
    not_before = papers.earliest_plausible(place, path)
    assert not_before == T0 - 600  # the token was issued then
    assert computer.judge_clock(wall, not_before, sync).code == code


def test_the_kernel_answers_or_says_nothing() -> None:
    sync = host.clock_sync()
    assert sync is None or sync.max_error_s >= 0.0


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    found = host.room(tmp_path / "not" / "yet")
    assert found is not None and 0 < found.free <= found.total
    assert host.nearest_folder(tmp_path / "not" / "yet") == tmp_path


@pytest.mark.parametrize(
    ("free", "code"),
    [(10**10, "DATA_OK"), (3 * 10**8, "DATA_NEARLY_FULL"), (10**6, "DATA_FULL")],
)
def test_too_little_room_is_told_before_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: str
) -> None:
    monkeypatch.setattr(host, "room", lambda _path: host.Room(free, 10**11))
    assert computer.check_folder(tmp_path).code == code


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert computer.check_folder(tmp_path / "data").code == "DATA_UNWRITABLE"


def a_database(folder: Path, events: int = 3) -> Path:
    store = SqliteStore(folder / FILE_NAME)
    for number in range(events):
        event = StoredEvent(0, f"e{number}", "event", LOCK_A, bytes(2000))
        store.put_event(event, LOCK_A, 1, number + 1)
    store.close()
    return folder / FILE_NAME


def test_a_database_is_read_while_a_gateway_writes_it_and_stays_as_it_was(tmp_path: Path) -> None:
    path = a_database(tmp_path)
    before = path.read_bytes()
    found = computer.check_database(tmp_path)
    assert (found.code, "3 events wait" in found.text) == ("DATABASE_OK", True)
    assert path.read_bytes() == before
    store = SqliteStore(path)
    store.put_event(StoredEvent(0, "new", "event", LOCK_A, b""), LOCK_A, 1, 9)
    assert "4 events wait" in computer.check_database(tmp_path).text
    store.close()


def test_a_database_that_is_missing_newer_damaged_or_no_database(tmp_path: Path) -> None:
    assert computer.check_database(tmp_path).code == "DATABASE_NONE"
    path = a_database(tmp_path, events=50)
    pages = bytearray(path.read_bytes())
    pages[-3 * 4096 : -4096] = os.urandom(2 * 4096)
    path.write_bytes(pages)
    assert computer.check_database(tmp_path).code == "DATABASE_DAMAGED"
    path.write_bytes(b"this is no database at all" * 100)
    assert computer.check_database(tmp_path).code == "DATABASE_DAMAGED"
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    assert computer.check_database(tmp_path).code == "DATABASE_NEWER"


# --- the broker ---


class Papers:
    """A CA and what it signs, for a server on 127.0.0.1 and a client."""

    def __init__(self, folder: Path, start_in_days: float = -1.0, days: float = 30.0) -> None:
        folder.mkdir()
        self._folder = folder
        now = datetime.datetime.now(datetime.UTC)
        self._from = now + datetime.timedelta(days=start_in_days)
        self._until = self._from + datetime.timedelta(days=days)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        ca = self._builder(self._name, self._key)
        ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca = self._write("ca.crt", ca.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, host: str = "127.0.0.1") -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key)
        address = x509.IPAddress(ipaddress.ip_address(host))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        cert = self._write(f"{name}.crt", builder.sign(self._key, hashes.SHA256()))
        path = self._folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert, path

    def client(self, name: str = "misaki.gw-1", ca: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=ca or self.ca)
        context.load_cert_chain(*self.issue(name))
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return path


class TlsBroker:
    """A Mosquitto that demands a certificate of `clients`, under the server papers of `town`."""

    def __init__(
        self, folder: Path, town: Papers, clients: Papers, host: str = "127.0.0.1"
    ) -> None:
        self.port = free_port()
        cert, key = town.issue("broker", host)
        self._config = folder / "tls.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\ncafile {clients.ca}\ncertfile {cert}\n"
            f"keyfile {key}\nrequire_certificate true\nuse_identity_as_username true\n"
            "allow_anonymous true\n" + ("user root\n" if os.geteuid() == 0 else "")
        )

    async def __aenter__(self) -> TlsBroker:
        self._child = await asyncio.create_subprocess_exec(
            str(require_program("mosquitto")),
            "-c",
            str(self._config),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(BOUND_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._child.terminate()
        await self._child.wait()


async def code_of(port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> str:
    found = await broker.check(Target(host, port, tls))
    assert found.is_ok or found.remedy
    return found.code


async def test_a_broker_with_the_right_papers_on_both_sides(tmp_path: Path) -> None:
    town = Papers(tmp_path / "town")
    async with TlsBroker(tmp_path, town, town) as there:
        assert await code_of(there.port, town.client()) == "BROKER_OK"


async def test_a_broker_of_another_ca_another_name_or_another_time(tmp_path: Path) -> None:
    town, other = Papers(tmp_path / "town"), Papers(tmp_path / "other")
    async with TlsBroker(tmp_path, other, town) as there:
        assert await code_of(there.port, town.client()) == "BROKER_UNKNOWN_CA"
    async with TlsBroker(tmp_path, town, town, host="192.0.2.7") as there:
        assert await code_of(there.port, town.client()) == "BROKER_WRONG_NAME"
    for start, days, code in (
        (-30.0, 10.0, "BROKER_CERTIFICATE_ENDED"),
        (10.0, 10.0, "BROKER_CERTIFICATE_NOT_YET"),
    ):
        wrong = Papers(tmp_path / code, start, days)
        async with TlsBroker(tmp_path, wrong, wrong) as there:
            assert await code_of(there.port, wrong.client()) == code


async def test_a_gateway_whose_certificate_the_broker_will_not_have(tmp_path: Path) -> None:
    town, other = Papers(tmp_path / "town"), Papers(tmp_path / "other")
    async with TlsBroker(tmp_path, town, town) as there:
        stranger = other.client(ca=town.ca)
        assert await code_of(there.port, stranger) == "BROKER_REFUSES_CERTIFICATE"
        nobody = ssl.create_default_context(cafile=town.ca)
        assert await code_of(there.port, nobody) == "BROKER_REFUSES_CERTIFICATE"


async def test_a_plain_broker_is_found_plain_and_is_no_tls(tmp_path: Path) -> None:
    town, port = Papers(tmp_path / "town"), free_port()
    async with mosquitto(tmp_path / "broker", port):
        assert await code_of(port) == "BROKER_OK"
        assert await code_of(port, town.client()) == "BROKER_NO_TLS"


async def test_a_broker_that_is_not_there_by_name_port_or_tongue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "WITHIN_S", 1.0)
    assert await code_of(1883, host="no-such-broker.invalid") == "BROKER_NAME_UNKNOWN"
    assert await code_of(free_port()) == "BROKER_NOT_LISTENING"
    mute = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    assert await code_of(mute.sockets[0].getsockname()[1]) == "BROKER_SILENT"
    mute.close()
    await mute.wait_closed()


async def test_a_broker_with_the_towns_own_papers_is_signed_in_to_unless_a_gateway_is(
    tmp_path: Path,
) -> None:
    """The broker names a client after its certificate: a second one pushes out the first."""
    town = Papers(tmp_path / "town")
    cert, key = town.issue(f"{TOWN}.gw-1")
    path = write_gateway_file(tmp_path / "g.json", {})
    place, _ = papers.read_file(path)
    access = Access(AccessFiles(town.ca, cert, key))
    note = runnote.RunNote(pid=1, started_ticks=1)
    connected, alone = ({"broker_connected": {"": float(on)}} for on in (True, False))
    async with TlsBroker(tmp_path, town, town) as there:
        ask = checks.Questions(path, "127.0.0.1", there.port, tmp_path, time.time(), access)

        async def said(found: running.Running | None) -> str:
            dated, line = await checks._check_broker(ask, place, found)
            assert (dated.code, line.code) == ("CERTIFICATES_END_SOON", "BROKER_OK")
            return line.text

        assert "lets this gateway in" in await said(None)
        assert "lets this gateway in" in await said(running.Running(note, alone))
        assert "left to the running gateway" in await said(running.Running(note, connected))
        assert "left to the running gateway" in await said(running.Running(note))


async def test_papers_that_are_not_this_gateways_are_told_before_the_broker_sees_them(
    tmp_path: Path,
) -> None:
    town, other = Papers(tmp_path / "town"), Papers(tmp_path / "other")
    cert, key = town.issue(f"{TOWN}.gw-2")
    place, _ = papers.read_file(write_gateway_file(tmp_path / "g.json", {}))
    for files in (
        AccessFiles(town.ca, cert, key),
        AccessFiles(town.ca, cert, other.issue(f"{TOWN}.gw-1")[1]),
        AccessFiles(town.ca, tmp_path / "none.crt", key),
    ):
        ask = checks.Questions(tmp_path, "127.0.0.1", free_port(), tmp_path, 0.0, Access(files))
        (found,) = await checks._check_broker(ask, place, None)
        assert found.code == "CERTIFICATES_UNUSABLE" and found.remedy
    far = checks.Questions(tmp_path, "broker.example", 1883, tmp_path, 0.0)
    (found,) = await checks._check_broker(far, place, None)
    assert found.code == "CERTIFICATES_UNUSABLE" and "--broker-ca" in found.remedy


# --- the radio ---

_WHY = BleakBluetoothNotAvailableReason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(), "BLUETOOTH_NO_BUS"),
        (ConnectionRefusedError(), "BLUETOOTH_NO_BUS"),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", []), "BLUETOOTH_NO_SERVICE"),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", []), "BLUETOOTH_FORBIDDEN"),
        (BleakDBusError("org.bluez.Error.NotReady", []), "BLUETOOTH_OFF"),
        (BleakDBusError("org.bluez.Error.Failed", []), "BLUETOOTH_FAILS"),
        (BleakBluetoothNotAvailableError("", _WHY.NO_BLUETOOTH), "BLUETOOTH_NO_ADAPTER"),
        (BleakBluetoothNotAvailableError("", _WHY.POWERED_OFF), "BLUETOOTH_OFF"),
        (BleakBluetoothNotAvailableError("", _WHY.DENIED_BY_SYSTEM), "BLUETOOTH_FORBIDDEN"),
        (TimeoutError(), "BLUETOOTH_FAILS"),
        (KeyError("anything"), "BLUETOOTH_FAILS"),
    ],
)
async def test_each_link_of_the_bluetooth_chain_has_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    class Scanner:
        def __init__(self, *_args: object, **_options: object) -> None:
            pass

        async def start(self) -> None:
            raise error

    monkeypatch.setattr(radio, "BleakScanner", Scanner)
    found, heard = await radio.listen([LOCK_A], 1.0)
    assert found.code == code and found.remedy
    assert not heard.dbm


@pytest.mark.parametrize(("dbm", "code"), [(-60, "LOCK_HEARD"), (-92, "LOCK_WEAK")])
def test_a_faint_lock_is_told_before_somebody_stands_in_the_rain(dbm: int, code: str) -> None:
    assert radio.judge_lock(LOCK_A, dbm).code == code


# --- the running gateway ---


def page(**values: float) -> dict[str, dict[str, float]]:
    text = "".join(f"kannuki_gateway_{name} {value}\n" for name, value in values.items())
    return running.read(text)


NOTE = runnote.RunNote(pid=1, started_ticks=1, metrics="127.0.0.1:9")
WELL = {"storage_working": 1, "broker_connected": 1, "outbox_events": 0, "start_time_seconds": T0}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "GATEWAY_RUNS"),
        ({"outbox_events": 9, "outbox_head_age_seconds": 30}, "GATEWAY_RUNS"),
        ({"outbox_events": 9, "outbox_head_age_seconds": 7200}, "GATEWAY_OFFLINE"),
        ({"broker_connected": 0}, "GATEWAY_OFFLINE"),
        ({"storage_working": 0}, "GATEWAY_CANNOT_STORE"),
    ],
)
def test_what_a_running_gateway_says_of_itself(changes: dict[str, float], code: str) -> None:
    found = list(running.judge(running.Running(NOTE, page(**(WELL | changes))), T0 + DAY))
    assert [each.code for each in found] == [code]


def test_many_locks_know_the_time_better_than_this_computer() -> None:
    values = page(**WELL)
    for shift, code in ((3.0, False), (-400.0, True)):
        values["lock_clock_ahead_seconds"] = {LOCK_A: shift, LOCK_B: shift, LOCK_C: 0.0}
        found = [each.code for each in running.judge(running.Running(NOTE, values), T0)]
        assert ("CLOCK_DIFFERS" in found) == code


def test_no_gateway_a_dead_one_and_a_mute_one(tmp_path: Path) -> None:
    assert asyncio.run(running.find(tmp_path)) is None
    dead = runnote.RunNote(pid=2**22 + 1, started_ticks=7)
    (tmp_path / runnote.FILE_NAME).write_text(dead.model_dump_json())
    assert asyncio.run(running.find(tmp_path)) is None
    runnote.write(tmp_path, "1", f"127.0.0.1:{free_port()}")
    mute = asyncio.run(running.find(tmp_path))
    assert mute is not None
    assert [each.code for each in running.judge(mute, T0)] == ["GATEWAY_SILENT"]
    runnote.write(tmp_path, "1", "")
    quiet = asyncio.run(running.find(tmp_path))
    assert [each.code for each in running.judge(quiet, T0)] == ["GATEWAY_RUNS"]
    runnote.withdraw(tmp_path)
    assert [each.code for each in running.judge(None, T0)] == ["GATEWAY_STOPPED"]


# --- all of it ---


async def test_a_whole_building_beside_a_gateway_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lock is heard, one is only known to the gateway, one is gone; nobody is disturbed."""
    hear_only(monkeypatch, {LOCK_A: -60})
    port = free_port()
    options = HealthOptions(metrics=("127.0.0.1", free_port()))
    async with mosquitto(tmp_path / "broker", port):
        app = make_app(tmp_path, monkeypatch, [LOCK_A, LOCK_B, LOCK_C], port, options)
        async with at_work(app):
            await until(lambda: app._machine.counters["visits_finished"] >= 2)
            await until(lambda: app._machine.survey().is_online)
            os.utime(tmp_path / "gateway.json", (T0, T0))
            ask = checks.Questions(
                tmp_path / "gateway.json",
                "127.0.0.1",
                port,
                tmp_path / "data",
                T0,
                listen_for_s=0.1,
            )
            found = await checks.check(ask)
            assert app._machine.survey().is_online
    by_name = {each.lock or each.name: each.code for each in found}
    assert by_name.pop("clock") in ("CLOCK_OK", "CLOCK_UNSYNCHRONISED", "CLOCK_UNKNOWN")
    assert by_name.pop("data") in ("DATA_OK", "DATA_NEARLY_FULL")
    assert by_name == {
        "file": "FILE_OK",
        "tokens": "TOKENS_OK",
        "database": "DATABASE_OK",
        "certificates": "CERTIFICATES_NONE",
        "broker": "BROKER_OK",
        "bluetooth": "BLUETOOTH_OK",
        "gateway": "GATEWAY_RUNS",
        LOCK_A: "LOCK_HEARD",
        LOCK_B: "LOCK_REACHED",
        LOCK_C: "LOCK_NOT_HEARD",
    }
    told = "\n".join(checks.lines(found))
    assert "NO      lock: lock cccccccc was not heard" in told
    assert all(each.is_ok or each.remedy for each in found)


def hear_only(monkeypatch: pytest.MonkeyPatch, heard: dict[str, int]) -> None:
    async def listen(_wanted: object, _for_s: float) -> tuple[Finding, radio.Heard]:
        air = radio.Heard()
        air.dbm.update(heard)
        return Finding("bluetooth", "BLUETOOTH_OK", "listens"), air

    monkeypatch.setattr(radio, "listen", listen)


def run_check(tmp_path: Path, *more: str) -> tuple[int, list[str]]:
    path = write_gateway_file(tmp_path / "g.json", {LOCK_A: credential(LOCK_A)})
    arguments = ["check", "--gateway-file", str(path), "--broker", f"127.0.0.1:{free_port()}"]
    arguments += ["--data-dir", str(tmp_path / "data"), "--listen-s", "0", *more]
    said = CliRunner().invoke(gateway, arguments, standalone_mode=False)
    assert said.exception is None, said.exception
    return said.return_value, said.stdout.splitlines()


def test_a_missing_system_part_is_3_and_every_finding_has_a_code_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    code, lines = run_check(tmp_path, "--json")
    report = json.loads("".join(lines))
    assert code == 3 and report["ok"] is False
    found = {each["name"]: each for each in report["checks"]}
    assert found["bluetooth"]["code"] == "BLUETOOTH_NO_BUS"
    assert found["broker"]["code"] == "BROKER_NOT_LISTENING"
    assert found["lock"] == found["lock"] | {"code": "LOCK_NOT_LOOKED_FOR", "lock": LOCK_A}
    assert all(CODES[each["code"]].value == each["level"] for each in report["checks"])
    assert all(each["ok"] or each["remedy"] for each in report["checks"])


def test_what_does_not_work_is_1_and_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear_only(monkeypatch, {LOCK_A: -60})
    code, lines = run_check(tmp_path)
    assert code == 1
    at = next(n for n, line in enumerate(lines) if line.startswith("NO      broker: "))
    assert lines[at + 1].strip().startswith("-> ")


def test_no_finding_tells_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hear_only(monkeypatch, {})
    _, lines = run_check(tmp_path, "--json")
    text = "".join(lines)
    key = credential(LOCK_A)
    for secret in (key.raw_token, key.proof_keys[LOCK_A]):
        assert secret.hex() not in text
        assert json.dumps(secret.decode("latin1")) not in text


def test_a_level_is_one_of_four() -> None:
    assert {level.value for level in Level} == {"ok", "warning", "bad", "missing"}
    assert set(CODES.values()) == set(Level)
