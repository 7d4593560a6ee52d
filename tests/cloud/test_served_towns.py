"""What is told of the towns that one process serves: taken, or refused with what to do."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.booking.payments import providers
from cloud.served_towns import (
    ServedTown,
    check_hosts,
    link_settings,
    read_further_towns,
    site_urls,
)
from kannuki.broker_options import Access, AccessFiles
from kannuki.errors import InputError
from kannuki.settings import write_secret_file
from tests.cloud.support import START, Town, make_keys
from tests.kannuki.tls_town import Papers

SECRET = b"a secret of at least sixteen bytes"


@pytest.fixture
def first(town: Town) -> ServedTown:
    urls = site_urls("https://book.misaki.jp", "https://key.misaki.jp/", "https://desk.misaki.jp")
    return ServedTown(town.service, "みさき市", "broker:1883", SECRET, urls, providers())


@pytest.fixture
def file(town: Town, tmp_path: Path) -> Path:
    """A file that tells of the town nagi, whose keys lie beside it."""
    folder = tmp_path / "more"
    folder.mkdir()
    make_keys(folder / "nagi-keys", "nagi")
    write_secret_file(folder / "nagi.secret", SECRET)
    path = folder / "towns.toml"
    path.write_text(
        '[nagi]\nkeys_dir = "nagi-keys"\nstaff_secret_file = "nagi.secret"\n'
        'key_page_url = "https://key.nagi.jp/"\nconsole_url = "https://desk.nagi.jp"\n',
        encoding="utf-8",
    )
    return path


def test_further_town_is_served_beside_the_first(first: ServedTown, file: Path, town: Town) -> None:
    town.service.database.whole.add_town("nagi", "なぎ町", START)
    (second,) = read_further_towns(file, first)
    assert (second.service.town, second.name, second.broker) == ("nagi", "なぎ町", "broker:1883")
    assert second.service.key_link("x") == "https://key.nagi.jp/#x"
    with second.service.database.read() as session:
        assert session.info["kannuki_town"] == "nagi"
    check_hosts([first, second])


def test_town_that_the_database_does_not_have_is_refused(first: ServedTown, file: Path) -> None:
    with pytest.raises(InputError, match="no town 'nagi'") as refused:
        read_further_towns(file, first)
    assert "add-town nagi" in refused.value.remedy


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('colour = "red"\n', "nagi.colour"),
        ("this is no TOML", "not valid TOML"),
    ],
)
def test_setting_that_no_town_has_is_named(
    first: ServedTown, file: Path, line: str, said: str
) -> None:
    file.write_text(file.read_text(encoding="utf-8") + line, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_further_towns(file, first)


def test_two_sites_with_one_host_are_refused(first: ServedTown) -> None:
    with pytest.raises(InputError, match="one host"):
        check_hosts([first, first])


@pytest.mark.parametrize("url", ["https://book.jp/path", "ftp://book.jp", "book.jp"])
def test_site_has_an_origin_and_nothing_behind_it(url: str) -> None:
    with pytest.raises(InputError, match="not an origin"):
        site_urls(url, "https://key.jp/", "")


@pytest.mark.parametrize("broker", ["", "host:", ":1883", "host:0", "host:x", "host:70000"])
def test_broker_is_a_host_and_a_port(broker: str) -> None:
    with pytest.raises(InputError, match="host:port"):
        link_settings("misaki", broker, Access(plain_allowed=True), time.time)


def _with_files(first: ServedTown, path: Path) -> ServedTown:
    return replace(first, access=Access(AccessFiles(path, path, path)))


def test_further_town_needs_a_certificate_of_its_own(
    first: ServedTown, file: Path, town: Town, tmp_path: Path
) -> None:
    town.service.database.whole.add_town("nagi", "なぎ町", START)
    certified = _with_files(first, tmp_path / "misaki")
    with pytest.raises(InputError, match="nagi has no certificate for its broker") as refused:
        read_further_towns(file, certified)
    assert "broker_cert" in refused.value.remedy
    told = 'broker_ca = "ca.crt"\nbroker_cert = "c.crt"\nbroker_key = "c.key"\n'
    file.write_text(file.read_text() + told)
    (second,) = read_further_towns(file, certified)
    folder = file.parent
    files = AccessFiles(folder / "ca.crt", folder / "c.crt", folder / "c.key")
    assert second.access == Access(files)


def test_service_signs_in_as_whom_its_certificate_names(tmp_path: Path) -> None:
    papers = Papers(tmp_path / "papers")
    for name, is_ours in (("cloud", True), ("cloud-2", True), ("gw-1", False)):
        access = Access(papers.files(papers.client(name)))
        if is_ours:
            settings = link_settings("misaki", "broker.example", access, time.time)
            assert (settings.port, settings.client_id) == (8883, f"misaki.{name}")
        else:
            with pytest.raises(InputError, match="is for 'misaki.gw-1'"):
                link_settings("misaki", "broker.example", access, time.time)
