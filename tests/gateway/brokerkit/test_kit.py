"""The folder that the kit keeps: what is in it, run again, cut off, renewed, revoked, damaged."""

from __future__ import annotations

import os
import pwd
import random
from pathlib import Path

import pytest
from cryptography import x509

from gateway.brokerkit import files
from gateway.brokerkit.authority import make_request
from gateway.brokerkit.kit import DAY_S, LEAF_DAYS, Kit, Outcome, Wishes, load_key
from gateway.brokerkit.requests import make_request as make_request_files
from kannuki.errors import InputError
from tests.gateway.brokerkit.brokers import new_key

NOW = 1_800_000_000
TOWN = "misaki"
WISHES = Wishes(hosts=["127.0.0.1"], gateways={"gw-1": ["lockaaaa"], "gw-2": ["lockbbbb"]})


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small files: the order of writes is looked at, not the disk (test_files.py)."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "broker"


def kit_at(folder: Path, now: int = NOW) -> Kit:
    return Kit(folder, now, random.Random(now).randbytes, new_key)


def set_up(folder: Path, wishes: Wishes = WISHES, now: int = NOW) -> Outcome:
    return kit_at(folder, now).set_up(TOWN, wishes, ["localhost"])


def client(folder: Path, name: str) -> Path:
    return folder / "clients" / TOWN / name


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def everything(folder: Path) -> dict[str, bytes]:
    """All files, and who may read them."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes() + oct(path.stat().st_mode).encode()
        for path in found
    }


def acl(folder: Path, town: str = TOWN) -> str:
    return (folder / "towns" / town / "acl").read_text()


# --- making ---


def test_everything_a_broker_needs_is_made_at_once(folder: Path) -> None:
    done = set_up(folder)
    assert done.action == "start"
    assert {one.name for one in done.issued} == {"broker", "cloud", "gw-1", "gw-2"}
    for name in ("cloud", "gw-1", "gw-2"):
        assert {path.name for path in client(folder, name).iterdir()} == {
            "ca.crt",
            f"{name}.crt",
            f"{name}.key",
        }


def test_a_second_run_changes_nothing(folder: Path) -> None:
    set_up(folder)
    before = everything(folder)
    done = set_up(folder, now=NOW + 3 * DAY_S)
    assert (done.action, done.changed, done.issued) == ("nothing", [], [])
    assert set_up(folder, Wishes(), NOW + 4 * DAY_S).action == "nothing"
    assert everything(folder) == before


def test_keys_are_for_their_owner_alone(folder: Path) -> None:
    set_up(folder)
    for path in folder.rglob("*.key"):
        broker_key = path.name == "broker.key"
        assert path.stat().st_mode & 0o077 in ((0, 0o040) if broker_key else (0,)), path
    assert (folder / "authority" / TOWN).stat().st_mode & 0o077 == 0
    assert (folder / "clients").stat().st_mode & 0o077 == 0


def test_a_new_gateway_changes_what_is_its_and_nothing_else(folder: Path) -> None:
    set_up(folder)
    before = everything(folder)
    done = set_up(folder, Wishes(gateways={"gw-3": ["lockcccc"]}), NOW + DAY_S)
    after = everything(folder)
    changed = {name for name in after if after[name] != before.get(name)}
    made = {name for name in changed if name.startswith(("clients/misaki/gw-3/", "authority/"))}
    assert changed - made == {"towns/misaki/acl"}
    assert [one.name for one in done.issued] == ["gw-3"]
    assert done.action == "restart"


def test_a_lock_that_moved_is_taken_from_its_old_gateway(folder: Path) -> None:
    set_up(folder)
    moved = Wishes(gateways={"gw-1": [], "gw-2": ["lockaaaa", "lockbbbb"]})
    assert not [note for note in set_up(folder, moved).notes if "lockaaaa" in note]
    rules = acl(folder).partition("user misaki.gw-1")[2].partition("user ")[0]
    assert "lockaaaa" not in rules


def test_a_lock_that_two_gateways_have_is_told(folder: Path) -> None:
    set_up(folder)
    done = set_up(folder, Wishes(gateways={"gw-2": ["lockaaaa", "lockbbbb"]}))
    assert [note for note in done.notes if "gw-1" in note and "lockaaaa" in note]


def test_a_gateway_named_like_a_lock_would_speak_for_it_and_is_refused(folder: Path) -> None:
    set_up(folder)
    with pytest.raises(InputError, match="a gateway and a lock"):
        set_up(folder, Wishes(gateways={"lockbbbb": []}))


def test_every_town_has_an_authority_and_a_port_of_its_own(folder: Path) -> None:
    set_up(folder)
    done = kit_at(folder).set_up("kanata", Wishes(), ["localhost"])
    assert done.action == "restart"
    text = (folder / "mosquitto.conf").read_text()
    assert "listener 8883\n" in text and "listener 8884\n" in text
    misaki, kanata = (certificate(folder / "towns" / t / "ca.crt") for t in (TOWN, "kanata"))
    assert misaki.public_key() != kanata.public_key()
    assert "kanata" not in acl(folder) and "misaki" not in acl(folder, "kanata")


def test_a_port_of_another_town_is_refused(folder: Path) -> None:
    set_up(folder)
    with pytest.raises(InputError, match="8883"):
        kit_at(folder).set_up("kanata", Wishes(port=8883), ["localhost"])


def test_settings_are_kept_when_not_named_again(folder: Path) -> None:
    set_up(folder, Wishes(hosts=["a.example"], port=9001, address="127.0.0.1"))
    assert set_up(folder, Wishes()).action == "nothing"
    assert "listener 9001 127.0.0.1" in (folder / "mosquitto.conf").read_text()


def test_another_host_is_a_new_certificate_for_the_broker_and_the_same_key(folder: Path) -> None:
    set_up(folder)
    key = (folder / "towns/misaki/broker.key").read_bytes()
    done = set_up(folder, Wishes(hosts=["127.0.0.1", "mqtt.example"]))
    assert [one.name for one in done.issued] == ["broker"]
    assert (folder / "towns/misaki/broker.key").read_bytes() == key


def test_a_host_that_is_none_leaves_what_was_there(folder: Path) -> None:
    set_up(folder)
    before = everything(folder)
    with pytest.raises(InputError, match="neither a host name"):
        set_up(folder, Wishes(hosts=["*.example"]))
    assert everything(folder) == before
    assert set_up(folder, Wishes()).action == "nothing"


def test_a_revoked_gateway_that_is_given_again_is_told(folder: Path) -> None:
    set_up(folder)
    kit_at(folder).revoke(TOWN, "gw-1", False)
    done = set_up(folder)
    assert [note for note in done.notes if "gw-1 was revoked" in note]


def test_the_key_of_the_broker_follows_its_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(folder, Wishes(user=_me()))
    key = folder / "towns" / TOWN / "broker.key"
    content = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    other = files.Reader("other", os.getuid(), os.getgid())
    monkeypatch.setattr(files, "reader_of", lambda _name: other)
    set_up(folder, Wishes())
    assert key.stat().st_mode & 0o777 == 0o640
    assert key.read_bytes() == content


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("town", ["", "Misaki", "mi/saki", "..", "misaki\n", "+", "t" * 33])
def test_a_town_that_is_no_name_is_refused_before_anything_is_made(folder: Path, town: str) -> None:
    with pytest.raises(InputError):
        kit_at(folder).set_up(town, Wishes(), ["localhost"])
    assert not folder.exists()


@pytest.mark.parametrize("name", ["cloud", "home", "home-2", "broker", "ca"])
def test_a_gateway_does_not_get_the_rights_of_another_role_by_its_name(
    folder: Path, name: str
) -> None:
    with pytest.raises(InputError, match=name):
        set_up(folder, Wishes(gateways={name: ["lockaaaa"]}))


@pytest.mark.parametrize("name", ["a b", "a\nuser root", "a\tb"])
def test_a_folder_that_would_become_a_setting_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="blank"):
        set_up(tmp_path / name)


# --- cut off ---


class Cut(BaseException):
    """The power went."""


def _cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Only so many files reach the disk."""
    real, left = files._replace, [writes]

    def replace(path: Path, content: bytes, mode: int, gid: int | None) -> None:
        if not left[0]:
            path.with_name(f".{path.name}.new").write_bytes(content[: len(content) // 2])
            raise Cut
        left[0] -= 1
        real(path, content, mode, gid)

    monkeypatch.setattr(files, "_replace", replace)


COMMANDS = {
    "set up": lambda kit: kit.set_up(TOWN, WISHES, ["localhost"]),
    "issue": lambda kit: kit.issue(TOWN, "home", None, 365),
    "renew": lambda kit: kit.renew(TOWN, ["gw-1", "broker"], 0, 365, True),
    "revoke": lambda kit: kit.revoke(TOWN, "gw-1", False),
    "add": lambda kit: kit.set_up(TOWN, Wishes(gateways={"gw-9": ["lockcccc"]}), []),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_cut_off_anywhere_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whole files, matching keys, and never a certificate that the register does not know."""
    for writes in range(40):
        folder = tmp_path / f"broker-{writes}"
        if command != "set up":
            set_up(folder)
        ca = folder / "authority" / TOWN / "ca.crt"
        kept = ca.read_bytes() if ca.exists() else None
        with monkeypatch.context() as patch:
            _cut_after(patch, writes)
            try:
                COMMANDS[command](kit_at(folder, NOW + 60))
                finished = True
            except Cut:
                finished = False
        _check_known(folder)
        wishes = Wishes() if command == "revoke" else WISHES
        set_up(folder, wishes, NOW + 120)
        _check_whole(folder)
        if command == "revoke" and writes > 0:  # the first write is the register
            assert "user misaki.gw-1\n" not in acl(folder)
        assert kept in (None, ca.read_bytes())
        if finished:
            break
    else:
        pytest.fail("it never finished")


def _check_known(folder: Path) -> None:
    """Whatever certificate lies about can be revoked."""
    register = folder / "authority" / TOWN / "register.json"
    known = register.read_text() if register.exists() else ""
    handed = [*folder.glob("clients/*/*/*.crt"), *folder.glob("towns/*/broker.crt")]
    for path in handed:
        if path.name != "ca.crt":
            assert f'"{certificate(path).serial_number:x}"' in known, path


def _check_whole(folder: Path) -> None:
    for path in folder.glob("clients/*/*/*.key"):
        if (beside := path.with_suffix(".crt")).exists():
            assert certificate(beside).public_key() == load_key(path).public_key()
    serving = folder / "towns" / TOWN
    key = load_broker_key(serving / "broker.key")
    assert certificate(serving / "broker.crt").public_key() == key
    crl = x509.load_pem_x509_crl((serving / "revoked.crl").read_bytes())
    revoked = {row.serial for row in kit_at(folder).rows(TOWN) if row.state == "revoked"}
    assert {f"{entry.serial_number:x}" for entry in crl} == revoked
    assert acl(folder).startswith("# ") and acl(folder).endswith("\n")


def load_broker_key(path: Path) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(path.read_bytes(), None).public_key()


def test_two_kits_do_not_work_in_one_folder_at_once(folder: Path) -> None:
    set_up(folder)
    with files.alone(folder), pytest.raises(InputError, match="another command"):
        set_up(folder)


# --- requests ---


def test_a_key_made_at_the_gateway_never_travels(folder: Path, tmp_path: Path) -> None:
    done = set_up(folder, Wishes(gateways={"gw-1": ["lockaaaa"]}, make_keys=False))
    assert done.waiting == ["gw-1"]
    key, request = make_request_files(tmp_path / "gateway", TOWN, "gw-1", new_key)
    assert key.stat().st_mode & 0o077 == 0
    issued = kit_at(folder).issue(TOWN, "gw-1", request.read_bytes(), 365)
    assert [path.name for path in issued.issued[0].files] == ["ca.crt", "gw-1.crt"]
    assert not list(folder.rglob("gw-1.key"))
    made = certificate(client(folder, "gw-1") / "gw-1.crt")
    assert made.public_key() == load_key(key).public_key()
    assert set_up(folder, Wishes(make_keys=False)).waiting == []


def test_asking_again_keeps_the_key(tmp_path: Path) -> None:
    first = make_request_files(tmp_path, TOWN, "gw-1", new_key)[0].read_bytes()
    assert make_request_files(tmp_path, TOWN, "gw-1", new_key)[0].read_bytes() == first


def test_a_request_is_renewed_without_another_request(folder: Path) -> None:
    set_up(folder, Wishes(gateways={"gw-1": []}, make_keys=False))
    own = new_key()
    kit_at(folder).issue(TOWN, "gw-1", make_request(own, "misaki.gw-1"), 365)
    kit_at(folder, NOW + DAY_S).renew(TOWN, ["gw-1"], 0, 365, False)
    assert certificate(client(folder, "gw-1") / "gw-1.crt").public_key() == own.public_key()
    with pytest.raises(InputError, match="keeps its key"):
        kit_at(folder).renew(TOWN, ["gw-1"], 0, 365, True)


@pytest.mark.parametrize("identity", ["misaki.cloud", "kanata.gw-1", "gw-1"])
def test_a_request_for_somebody_else_is_refused(folder: Path, identity: str) -> None:
    set_up(folder)
    with pytest.raises(InputError, match=identity):
        kit_at(folder).issue(TOWN, "gw-1", make_request(new_key(), identity), 365)


# --- renewing and revoking ---


def test_only_what_ends_soon_is_renewed(folder: Path) -> None:
    set_up(folder)
    kit_at(folder).issue(TOWN, "home", None, 30)
    done = kit_at(folder, NOW + DAY_S).renew(TOWN, [], 60, 365, False)
    assert [one.name for one in done.issued] == ["home"]
    assert kit_at(folder, NOW + 2 * DAY_S).renew(TOWN, [], 60, 365, False).issued == []


def test_a_certificate_that_has_ended_is_made_anew_by_the_next_run(folder: Path) -> None:
    set_up(folder)
    done = set_up(folder, Wishes(), NOW + (LEAF_DAYS + 1) * DAY_S)
    assert {one.name for one in done.issued} == {"broker", "cloud", "gw-1", "gw-2"}


def test_the_brokers_certificate_is_made_anew_in_time_by_any_run(folder: Path) -> None:
    set_up(folder)
    done = set_up(folder, Wishes(), NOW + (LEAF_DAYS - 90) * DAY_S)
    assert [one.name for one in done.issued] == ["broker"]


def test_no_certificate_outlives_the_authority(folder: Path) -> None:
    set_up(folder)
    late = NOW + 29 * 365 * DAY_S
    set_up(folder, Wishes(), late)
    ends = {row.name: row.not_after for row in kit_at(folder, late).rows(TOWN)}
    assert max(ends.values()) == ends["ca"]


def test_who_is_revoked_is_in_the_list_and_not_in_the_acl(folder: Path) -> None:
    set_up(folder)
    serial = certificate(client(folder, "gw-1") / "gw-1.crt").serial_number
    done = kit_at(folder, NOW + 9).revoke(TOWN, "gw-1", False)
    assert done.action == "restart"
    crl = x509.load_pem_x509_crl((folder / "towns/misaki/revoked.crl").read_bytes())
    assert [entry.serial_number for entry in crl] == [serial]
    assert "user misaki.gw-1\n" not in acl(folder) and "user misaki.gw-2\n" in acl(folder)
    assert not (client(folder, "gw-1") / "gw-1.key").exists()
    assert set_up(folder, Wishes(), NOW + 10).action == "nothing"  # and it does not come back


def test_a_revoked_cloud_has_no_rights_until_it_is_made_anew(folder: Path) -> None:
    set_up(folder)
    kit_at(folder).revoke(TOWN, "cloud", False)
    assert "user misaki.cloud\n" not in acl(folder)
    set_up(folder, Wishes())
    assert "user misaki.cloud\n" in acl(folder)


def test_the_revocation_list_lasts_as_long_as_its_authority(folder: Path) -> None:
    """OpenSSL lets nobody in once a list is over: five years in a cupboard are not enough."""
    set_up(folder)
    crl = x509.load_pem_x509_crl((folder / "towns/misaki/revoked.crl").read_bytes())
    assert crl.next_update_utc == certificate(folder / "towns/misaki/ca.crt").not_valid_after_utc


@pytest.mark.parametrize(("name", "old"), [("gw-1", True), ("gw-7", False), ("broker", False)])
def test_what_cannot_be_revoked_is_said(folder: Path, name: str, old: bool) -> None:
    set_up(folder)
    with pytest.raises(InputError):
        kit_at(folder).revoke(TOWN, name, old)


def test_only_the_old_ones_are_revoked_when_asked(folder: Path) -> None:
    set_up(folder)
    kit_at(folder, NOW + DAY_S).renew(TOWN, ["gw-1"], 0, 365, True)
    kit_at(folder, NOW + DAY_S).revoke(TOWN, "gw-1", True)
    states = [row.state for row in kit_at(folder).rows(TOWN) if row.name == "gw-1"]
    assert states == ["revoked", "valid"]
    assert "user misaki.gw-1\n" in acl(folder)


# --- damage ---


def test_a_lost_certificate_of_a_client_is_made_again_for_its_key(folder: Path) -> None:
    set_up(folder)
    key = (client(folder, "gw-1") / "gw-1.key").read_bytes()
    (client(folder, "gw-1") / "gw-1.crt").unlink()
    assert [one.name for one in set_up(folder, Wishes()).issued] == ["gw-1"]
    assert (client(folder, "gw-1") / "gw-1.key").read_bytes() == key


@pytest.mark.parametrize("name", ["acl", "revoked.crl", "ca.crt"])
def test_what_mosquitto_reads_is_mended(folder: Path, name: str) -> None:
    set_up(folder)
    path = folder / "towns" / TOWN / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + b"topic readwrite #\n")
    done = set_up(folder, Wishes())
    assert done.changed == [path]
    if name != "revoked.crl":  # a signature is never the same twice
        assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["register.json", "ca.crt", "ca.key"])
def test_a_damaged_authority_is_told_and_not_replaced(folder: Path, name: str) -> None:
    set_up(folder)
    path = folder / "authority" / TOWN / name
    path.write_bytes(b"damaged")
    before = everything(folder)
    with pytest.raises(InputError, match=name):
        set_up(folder)
    assert everything(folder) == before


def test_a_key_of_the_authority_that_others_can_read_is_refused(folder: Path) -> None:
    set_up(folder)
    (folder / "authority" / TOWN / "ca.key").chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        set_up(folder)


def test_two_halves_of_different_authorities_are_refused(folder: Path) -> None:
    set_up(folder)
    kit_at(folder).set_up("kanata", Wishes(), ["localhost"])
    foreign = (folder / "authority/kanata/ca.key").read_bytes()
    (folder / "authority" / TOWN / "ca.key").write_bytes(foreign)
    with pytest.raises(InputError, match="do not belong together"):
        set_up(folder)


def test_a_lost_certificate_of_the_authority_does_not_start_a_new_town(folder: Path) -> None:
    """Clients in the field believe the old one."""
    set_up(folder)
    (folder / "authority" / TOWN / "ca.crt").unlink()
    with pytest.raises(InputError, match="is lost"):
        set_up(folder)
