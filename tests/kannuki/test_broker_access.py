"""The files of a program's certificate: what is used, what is refused, and in which words."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from kannuki.broker_access import BrokerAccess, NotInForce, open_access, read_access
from kannuki.broker_options import Access, AccessFiles, broker_access_options
from kannuki.broker_refusals import explain
from kannuki.dialling import dial
from kannuki.ending import run_bounded
from kannuki.errors import InputError
from kannuki.settings import free_port
from tests.kannuki.tls_town import DAY_S, YEAR_S, Papers

ME = "misaki.gw-1"


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path / "papers")


@pytest.fixture
def files(papers: Papers) -> AccessFiles:
    return papers.files(papers.client("gw-1"), crl=True)


def test_good_files_make_a_strict_context(files: AccessFiles) -> None:
    certified = read_access(files)
    context = certified.context
    assert (certified.identity, context.verify_mode) == (ME, ssl.CERT_REQUIRED)
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}
    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    assert certified.ends().keys() == {"certificate", "CA", "revocation list"}


def _missing(files: AccessFiles) -> None:
    files.cert.unlink()


def _readable_by_others(files: AccessFiles) -> None:
    files.key.chmod(0o644)


def _readable_by_the_group(files: AccessFiles) -> None:
    files.key.chmod(0o640)


def _of_another_issue(files: AccessFiles) -> None:
    other = Papers(files.cert.parent / "other").client("gw-1")
    other.key.replace(files.key)


def _with_a_password(files: AccessFiles) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    hidden = BestAvailableEncryption(b"a password")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))


def _garbage(files: AccessFiles) -> None:
    files.cert.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")


def _garbage_key(files: AccessFiles) -> None:
    files.key.write_text("no key")


def _a_brokers(files: AccessFiles) -> None:
    issued = Papers(files.cert.parent / "other").server(["localhost"])
    issued.cert.replace(files.cert)
    issued.key.replace(files.key)


def _a_ca_in_the_list(files: AccessFiles) -> None:
    assert files.crl is not None
    files.crl.write_bytes(files.crl.read_bytes() + files.ca.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "words", "remedy"),
    [
        (_missing, "cannot read .*gw-1.crt: No such file", "--broker-cert"),
        (_readable_by_others, "gw-1.key can be read by others", "chmod 600"),
        (_readable_by_the_group, "gw-1.key can be read by others", "chmod 600"),
        (_of_another_issue, "gw-1.key does not belong to the certificate", "side by side"),
        (_with_a_password, "gw-1.key has a password", "without one"),
        (_garbage, "gw-1.crt holds no certificate in PEM", "--broker-cert"),
        (_garbage_key, "gw-1.key holds no private key in PEM", "--broker-key"),
        (_a_brokers, "gw-1.crt is not a client's", "run-a-broker"),
        (_a_ca_in_the_list, "revoked.crl holds a certificate beside", "file of its own"),
    ],
)
def test_files_that_no_waiting_will_mend_end_the_start(
    files: AccessFiles, spoil: Callable[[AccessFiles], None], words: str, remedy: str
) -> None:
    secret = files.key.read_text()
    spoil(files)
    with pytest.raises(InputError, match=words) as refused:
        open_access(Access(files), "broker.example", ME, time.time)
    assert remedy in refused.value.remedy
    assert secret.splitlines()[1] not in refused.value.lines()


@pytest.mark.parametrize(
    ("begins_s", "ends_s", "words"),
    [
        (-3 * DAY_S, -DAY_S, "the certificate of misaki.gw-1 expired on 20"),
        (DAY_S, YEAR_S, "not valid before 20.* .this computer's clock says 20.*: set it"),
    ],
)
def test_a_certificate_out_of_its_time_is_logged_at_the_start_and_refused_for_a_connection(
    papers: Papers,
    caplog: pytest.LogCaptureFixture,
    begins_s: int,
    ends_s: int,
    words: str,
) -> None:
    files = papers.files(papers.client("gw-1", begins_s, ends_s))
    access = open_access(Access(files), "broker.example", ME, time.time)
    assert access is not None
    assert re.search(words, caplog.text)
    with pytest.raises(NotInForce):
        access.context()
    papers.client("gw-1")
    assert access.context().verify_mode == ssl.CERT_REQUIRED


def test_a_list_out_of_date_is_refused(papers: Papers) -> None:
    issued = papers.client("gw-1")
    papers.write_crl(good_for_s=-DAY_S)
    with pytest.raises(NotInForce, match="revocation list was good until"):
        BrokerAccess(papers.files(issued, crl=True), time.time).context()


@pytest.mark.parametrize(
    ("identity", "numbered", "is_taken"),
    [
        ("misaki.gw-1", False, True),
        ("misaki.gw", False, False),
        ("misaki.gw", True, True),
        ("misaki.gw-2", False, False),
        ("nagi.gw-1", False, False),
    ],
)
def test_a_certificate_of_somebody_else_is_refused(
    files: AccessFiles, identity: str, numbered: bool, is_taken: bool
) -> None:
    if is_taken:
        assert open_access(Access(files), "b.example", identity, time.time, numbered) is not None
    else:
        with pytest.raises(InputError, match=f"for 'misaki.gw-1', and this is '{identity}'"):
            open_access(Access(files), "b.example", identity, time.time, numbered)


# --- renewal ---


def test_a_renewed_certificate_is_noticed_and_used(papers: Papers, files: AccessFiles) -> None:
    access = BrokerAccess(files, time.time)
    first = access.context()
    assert access.context() is first
    assert not access.renewed(first)
    papers.client("gw-1")
    assert access.renewed(first)
    assert access.context() is not first


def test_half_a_renewal_is_not_used_and_is_told_of_once(
    papers: Papers, files: AccessFiles, caplog: pytest.LogCaptureFixture
) -> None:
    access = BrokerAccess(files, time.time)
    first = access.context()
    old = files.cert.read_bytes()
    papers.client("gw-1")
    new = files.cert.read_bytes()
    files.cert.write_bytes(old)
    for _ in range(3):
        assert not access.renewed(first)
    assert access.context() is first
    assert caplog.text.count("the new certificate is not used: the key in") == 1
    files.cert.write_bytes(new)
    assert access.renewed(first)


@pytest.mark.parametrize("is_bad", ["expired", "another's", "gone", "not yet"])
def test_a_worse_certificate_does_not_take_the_place_of_a_good_one(
    papers: Papers, files: AccessFiles, is_bad: str
) -> None:
    access = BrokerAccess(files, time.time)
    first = access.context()
    if is_bad == "expired":
        papers.client("gw-1", -3 * DAY_S, -DAY_S)
    elif is_bad == "another's":
        other = papers.client("gw-2")
        other.key.replace(files.key)
        other.cert.replace(files.cert)
    elif is_bad == "not yet":
        papers.client("gw-1", DAY_S, YEAR_S)
    else:
        files.key.unlink()
    assert not access.renewed(first)
    assert access.context() is first


def test_one_that_was_not_yet_valid_is_used_once_it_is(papers: Papers, files: AccessFiles) -> None:
    clock = [time.time()]
    access = BrokerAccess(files, lambda: clock[0])
    first = access.context()
    papers.client("gw-1", DAY_S, YEAR_S)
    assert not access.renewed(first)
    clock[0] += 2 * DAY_S
    assert access.renewed(first)


def test_the_end_is_announced_in_time_and_not_at_every_look(
    papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [time.time()]
    access = BrokerAccess(papers.files(papers.client("gw-1", ends_s=200 * DAY_S)), lambda: clock[0])
    told = []
    for day in range(0, 199):
        clock[0] += DAY_S
        access.context()
        if len(caplog.records) > len(told):
            told.append(day)
    assert told[0] > 100
    assert len(told) < 16
    assert "renew it" in caplog.text


# --- options ---


@click.command()
@broker_access_options
def told(access: Access) -> None:
    click.echo(repr(access))


def test_options_come_from_flags_or_the_environment() -> None:
    by_flag = ["--broker-ca", "a", "--broker-cert", "b", "--broker-key", "c"]
    by_name = {"KANNUKI_BROKER_CA": "a", "KANNUKI_BROKER_CERT": "b", "KANNUKI_BROKER_KEY": "c"}
    wanted = repr(Access(AccessFiles(Path("a"), Path("b"), Path("c")))) + "\n"
    assert CliRunner().invoke(told, by_flag).output == wanted
    assert CliRunner().invoke(told, env=by_name).output == wanted
    assert CliRunner().invoke(told).output == repr(Access()) + "\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--broker-ca", "a"], "--broker-cert and --broker-key not named"),
        (["--broker-crl", "a"], "not named"),
        (["--broker-ca=a", "--broker-cert=b", "--broker-key=c", "--broker-plain"], "contradicts"),
    ],
)
def test_half_of_an_access_is_no_access(flags: list[str], words: str) -> None:
    refused = CliRunner().invoke(told, flags).exception
    assert isinstance(refused, InputError)
    assert words in refused.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_plain_text_stays_on_this_machine(host: str) -> None:
    assert open_access(Access(), host, ME, time.time) is None


@pytest.mark.parametrize("host", ["192.168.1.2", "broker.example", "0.0.0.0", "localhost.evil.jp"])
def test_plain_text_crosses_a_network_only_where_it_is_told_to(host: str) -> None:
    with pytest.raises(InputError, match="plain text"):
        open_access(Access(), host, ME, time.time)
    assert open_access(Access(plain_allowed=True), host, ME, time.time) is None


# --- connecting and coming to an end ---


async def test_where_nobody_listens_it_is_said() -> None:
    with pytest.raises(OSError) as refused:  # noqa: PT011 - its words are what is tested
        await dial("127.0.0.1", free_port(), None, 5)
    assert str(explain(refused.value)).startswith("nothing listens there -> is the broker running")


async def test_what_the_certificate_reader_says_reaches_who_dials() -> None:
    def spoilt() -> ssl.SSLContext:
        raise NotInForce("expired", "renew it")

    with pytest.raises(NotInForce) as refused:
        await dial("127.0.0.1", 1, spoilt, 5)
    assert str(explain(refused.value)) == "expired -> renew it"


async def test_a_connection_that_nobody_waits_for_is_closed() -> None:
    met: asyncio.Queue[asyncio.StreamReader] = asyncio.Queue()

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.put_nowait(reader)
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        port = server.sockets[0].getsockname()[1]
        context = ssl.create_default_context()
        dialling = asyncio.create_task(dial("127.0.0.1", port, lambda: context, 3600))
        reader = await met.get()
        dialling.cancel()
        await asyncio.wait({dialling})
        await reader.read()  # returns: the far end hung up
        writers[0].close()


def test_a_task_that_will_not_end_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    async def main() -> str:
        asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        return "ended"

    with caplog.at_level(logging.WARNING):
        assert run_bounded(main(), 0.05) == "ended"
    assert "left behind at the end: stubborn" in caplog.text
