"""The commands as a person types them: answers, exit codes, and what bad input is told."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from cloud.audit import take_parcel
from cloud.database import open_database
from cloud.keyfiles import key_path, read_key
from cloud.keysets import open_document
from cloud.models import AuditRecord
from cloud.vault import open_vault
from kannuki.cli import run
from kannuki.enrolment import GatewayFile, TrustFile, read_file, write_file
from protocol import audit, lockconfig
from protocol import token as tokens
from protocol.crypto import same_bytes
from tests.cloud.support import CHANGES, DATA, START, TOWN, TestLock, newest_version

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kannuki(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; (exit code, stdout, stderr)."""

    def call(*argv: object) -> tuple[int, str, str]:
        code = run([str(word) for word in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def office(kannuki: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`kannuki cloud ...` for a town with keys and rooms; first word is the sub-command."""
    monkeypatch.setattr("cloud.clock.time.time", lambda: float(START - 300))
    made = kannuki(
        "keys",
        "init",
        "--dir",
        tmp_path / "keys",
        "--with-roots",
        tmp_path / "safe",
        "--town",
        TOWN,
    )
    assert made[0] == 0
    options = ("--database", tmp_path / "t.db", "--keys-dir", tmp_path / "keys", "--town", TOWN)

    def call(name: str, *argv: object) -> tuple[int, str, str]:
        return kannuki("cloud", name, *options, *argv)

    for name in ("第1会議室", "和室", "音楽室"):
        assert call("add-room", name)[0] == 0
    return call


def enrol(path: Path, lock: TestLock) -> Path:
    write_file(path, lock.enrolment())
    return path


def test_from_calendar_to_tokens_and_files(office: Run, tmp_path: Path) -> None:
    lock = TestLock("aaaaaaaa")
    assert office("add-lock", enrol(tmp_path / "e.json", lock), "--room", "和室")[0] == 0
    code, out, _ = office(
        "import", DATA / "space-sharing.ics", "--json", "--links-file", tmp_path / "links"
    )
    report = json.loads(out)
    assert (code, report["new"], report["refused"]) == (0, 21, 0)
    links = [json.loads(line) for line in (tmp_path / "links").read_text().splitlines()]
    assert len(links) == 20
    assert stat.S_IMODE((tmp_path / "links").stat().st_mode) == 0o600
    assert office("import", DATA / "changes.ics")[1].startswith("new 0  changed 2  cancelled 1")

    assert office("trust", "--out", tmp_path / "trust.json")[0] == 0
    trust = read_file(tmp_path / "trust.json", TrustFile)
    keyset = open_document(trust.keyset).keyset
    assert [key.role for key in keyset.keys.values()] == [1, 2, 2, 3, 4, 5, 6, 7, 8]
    assert list(keyset.roots) == trust.roots

    out_path = tmp_path / "gw.json"
    assert office("gateway-credential", "--gateway-id", "gw-1", "--out", out_path)[0] == 0
    assert stat.S_IMODE(out_path.stat().st_mode) == 0o600
    (credential,) = read_file(out_path, GatewayFile).locks
    claims = tokens.parse(credential.token)[1]
    assert claims.permissions == tokens.MAINTAIN | tokens.STATUS
    assert claims.expires_at - claims.not_before == 90 * 86_400
    from protocol import keys

    kdk = lock.kdk(open_vault(tmp_path / "keys", TOWN, [1]).public_keys)
    assert same_bytes(credential.proof_key, keys.proof_key(kdk, credential.token))


def test_cancel_and_key_link_of_one_booking(office: Run, tmp_path: Path) -> None:
    report = json.loads(office("import", DATA / "space-sharing.ics", "--json")[1])
    booking = report["events"][0]["booking_id"]
    code, out, _ = office("key-link", booking)
    assert (code, out.count("#")) == (0, 1)
    assert office("cancel", booking)[:2] == (0, "cancelled\n")
    code, _, err = office("key-link", booking)
    assert (code, "BOOKING_CANCELLED" in err) == (1, True)
    assert office("cancel", "nothing")[0] == 2


def test_broken_calendar_changes_nothing_and_names_the_line(office: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ics"
    start = b"DTSTART;TZID=Asia/Tokyo:20261212T160000"
    broken.write_bytes(CHANGES.replace(start, b"DTSTART:never"))
    code, out, err = office("import", broken)
    assert (code, out) == (2, "")
    assert "UID r-10238@space-share.example" in err
    assert "line 43" in err
    assert office("import", tmp_path / "missing.ics")[0] == 2
    again = json.loads(office("import", DATA / "changes.ics", "--json")[1])
    assert (again["new"], again["refused"]) == (2, 0)


def test_refused_event_gives_exit_code_one(office: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.ics"
    path.write_bytes(CHANGES.replace("音楽室".encode(), "体育館".encode()))
    code, out, _ = office("import", path)
    assert (code, "体育館" not in out) == (1, True)
    assert "There is no such room" in out


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("add-lock", "nowhere.json", "--room", "和室"), 2),
        (("gateway-credential", "--gateway-id", "BAD ID", "--out", "/nonexistent/x"), 2),
        (("trust", "--out", "/nonexistent/x"), 2),
        (("import",), 2),
    ],
)
def test_bad_input_is_told_what_to_do(office: Run, argv: tuple[str, ...], code: int) -> None:
    got, _, err = office(*argv)
    assert got == code
    assert "Traceback" not in err


def test_lock_of_another_town_or_unknown_room_is_not_hung(office: Run, tmp_path: Path) -> None:
    foreign = TestLock("aaaaaaaa").enrolment().model_copy(update={"town": "other"})
    write_file(tmp_path / "f.json", foreign)
    assert office("add-lock", tmp_path / "f.json", "--room", "和室")[0] == 2
    mine = enrol(tmp_path / "e.json", TestLock("aaaaaaaa"))
    code, _, err = office("add-lock", mine, "--room", "体育館")
    assert (code, "和室" in err) == (2, True)


def test_database_of_another_town_is_refused(office: Run, kannuki: Run, tmp_path: Path) -> None:
    code, _, err = kannuki(
        "cloud",
        "add-room",
        "x",
        "--database",
        tmp_path / "t.db",
        "--keys-dir",
        tmp_path / "keys",
        "--town",
        "elsewhere",
    )
    assert (code, "no town 'elsewhere', only misaki" in err) == (2, True)


def test_file_that_is_no_database_is_refused(kannuki: Run, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 100)
    code, _, err = kannuki("cloud", "audit", "--database", tmp_path / "x.db")
    assert (code, "cannot use the database" in err) == (2, True)


def test_keys_are_never_written_over(kannuki: Run, tmp_path: Path) -> None:
    assert kannuki("keys", "init", "--dir", tmp_path)[0] == 0
    before = read_key(key_path(tmp_path, "vault"), "vault")
    code, _, err = kannuki("keys", "init", "--dir", tmp_path)
    assert (code, "already exists" in err) == (2, True)
    assert read_key(key_path(tmp_path, "vault"), "vault") == before


def test_service_without_a_keyset_is_told_how_to_make_one(kannuki: Run, tmp_path: Path) -> None:
    assert kannuki("keys", "init", "--dir", tmp_path / "k")[0] == 0
    options = ("--database", tmp_path / "t.db", "--keys-dir", tmp_path / "k", "--town", TOWN)
    code, _, err = kannuki("cloud", "add-room", "x", *options)
    assert (code, "kannuki keys keyset" in err) == (2, True)


def test_migrate_makes_and_keeps(kannuki: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert kannuki("cloud", "migrate", "--database", tmp_path / "t.db")[:2] == (
            0,
            f"version {newest_version()}\n",
        )


# --- token ---


@pytest.fixture
def issued(kannuki: Run, tmp_path: Path) -> str:
    """A token for lock aaaaaaaa, ten to twelve on the fifth of December."""
    kannuki("keys", "init", "--dir", tmp_path)
    code, out, _ = kannuki(
        "token",
        "issue",
        "--issuer-key-file",
        key_path(tmp_path, "booking-issuer"),
        "--lock",
        "aaaaaaaa",
        "--not-before",
        "2026-12-05T10:00",
        "--expires-at",
        START + 7200,
        "--issued-at",
        START,
        "--permissions",
        "unlock,lock",
    )
    assert code == 0
    return out.strip()


def issuer_key(tmp_path: Path) -> str:
    from nacl.signing import SigningKey

    secret = read_key(key_path(tmp_path, "booking-issuer"), "booking-issuer").secret
    return bytes(SigningKey(secret).verify_key).hex()


def judge(kannuki: Run, tmp_path: Path, token: str, **changes: object) -> tuple[int, Any]:
    options = {"lock": "aaaaaaaa", "at": START, "public-key": issuer_key(tmp_path)} | changes
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    code, out, _ = kannuki("token", "verify", "--json", *flags, "--", token)
    return code, json.loads(out) if out else None


def test_claims_are_shown_from_argument_file_and_stdin(
    kannuki: Run, issued: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = json.loads(kannuki("token", "inspect", "--json", issued)[1])
    assert (shown["lock"], shown["not_before"]) == ("aaaaaaaa", START)
    assert shown["not_before_text"] == "2026-12-05T10:00:00+09:00"
    assert shown["permissions"] == ["unlock", "lock"]
    (tmp_path / "t").write_text(issued + "\n")
    assert json.loads(kannuki("token", "inspect", "--json", tmp_path / "t")[1]) == shown
    stdin = io.TextIOWrapper(io.BytesIO(issued.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert json.loads(kannuki("token", "inspect", "--json")[1]) == shown


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"command": "lock"}, None),
        ({"at": START + 7199}, None),
        ({"at": START - 1}, "NOT_YET_VALID"),
        ({"at": START + 7200}, "EXPIRED"),
        ({"lock": "bbbbbbbb"}, "WRONG_LOCK"),
        ({"command": "unlock-remote"}, "SCOPE"),
        ({"public-key": "aa" * 32}, "UNKNOWN_ISSUER"),
    ],
)
def test_verdict_and_its_reason(
    kannuki: Run, issued: str, tmp_path: Path, changes: dict[str, object], reason: str | None
) -> None:
    code, told = judge(kannuki, tmp_path, issued, **changes)
    assert (code, told["reason"]) == (0 if reason is None else 1, reason)
    assert reason is None or all(told[lang] for lang in ("ja", "ja-simple", "en"))


def test_token_with_one_bit_changed_is_denied(kannuki: Run, issued: str, tmp_path: Path) -> None:
    from kannuki.messages import from_base64url, to_base64url

    raw = bytearray(from_base64url(issued))
    raw[-1] ^= 1
    assert judge(kannuki, tmp_path, to_base64url(bytes(raw)))[1]["reason"] == "BAD_SIGNATURE"


@pytest.mark.parametrize("text", ["", "!", "AAAA", "0oRJ", "x" * 200, "\N{LOCK}" * 300])
def test_garbage_is_no_token(kannuki: Run, text: str) -> None:
    for command in ("inspect", "verify"):
        extra = ("--public-key", "aa" * 32, "--lock", "aaaaaaaa") if command == "verify" else ()
        code, out, err = kannuki("token", command, *extra, "--", text)
        assert (code, out) == (2, "")
        assert "this is not a token" in err


@pytest.mark.parametrize(
    "changes",
    [
        {"--lock": "short"},
        {"--not-before": "yesterday"},
        {"--expires-at": "2026-12-05T09:00"},
        {"--expires-at": "2027-12-05T09:00"},
        {"--permissions": "fly"},
        {"--permissions": "maintain"},
    ],
)
def test_token_that_may_not_be_issued(
    kannuki: Run, tmp_path: Path, changes: dict[str, str]
) -> None:
    kannuki("keys", "init", "--dir", tmp_path)
    options = {
        "--issuer-key-file": str(key_path(tmp_path, "booking-issuer")),
        "--lock": "aaaaaaaa",
        "--not-before": "2026-12-05T10:00",
        "--expires-at": "2026-12-05T12:00",
    } | changes
    code, out, err = kannuki("token", "issue", *(w for pair in options.items() for w in pair))
    assert (code, out) == (2, "")
    assert "->" in err


# --- single locks ---


@pytest.fixture
def hung(office: Run, tmp_path: Path) -> TestLock:
    """A lock at the second room, with bookings."""
    lock = TestLock("aaaaaaaa")
    assert office("add-lock", enrol(tmp_path / "e.json", lock), "--room", "和室")[0] == 0
    assert office("import", DATA / "space-sharing.ics")[0] == 0
    return lock


def test_door_is_shown_and_changed(office: Run, hung: TestLock, tmp_path: Path) -> None:
    assert json.loads(office("door", "aaaaaaaa", "--json")[1])["version"] == 0
    assert office("door", "aaaaaaaa", "--out", tmp_path / "door.cose")[0] == 2
    argv = ("--relock-after-ms", 9000, "--doubt-s", 60, "--no-pin", "--group", "+ggggggg2")
    code, out, _ = office("door", "aaaaaaaa", *argv, "--out", tmp_path / "door.cose", "--json")
    told = json.loads(out)
    assert (code, told["version"], told["relock_after_ms"]) == (0, 1, 9000)
    assert (told["doubt_s"], told["pin_allowed"], told["groups"]) == (60, 0, ["+ggggggg2"])
    config = lockconfig.parse((tmp_path / "door.cose").read_bytes())[1]
    assert (config.lock_id, config.version) == ("aaaaaaaa", 1)
    again = json.loads(office("door", "aaaaaaaa", "--strict", "--pin", "--no-groups", "--json")[1])
    assert (again["version"], again["doubt_s"], again["pin_allowed"]) == (2, 0, 1)
    assert (again["groups"], again["relock_after_ms"]) == ([], 9000)


@pytest.mark.parametrize(
    "argv",
    [
        ("zzzzzzzz", "--strict"),
        ("aaaaaaaa", "--strict", "--doubt-s", 5),
        ("aaaaaaaa", "--relock-after-ms", 1),
        ("aaaaaaaa", "--group", "hall"),
        ("aaaaaaaa", "--group", "+ggggggg2", "--no-groups"),
    ],
)
def test_door_refuses_what_no_lock_would_take(
    office: Run, hung: TestLock, argv: tuple[object, ...]
) -> None:
    assert office("door", *argv)[0] == 2
    assert json.loads(office("door", "aaaaaaaa", "--json")[1])["version"] == 0


def test_keys_issued_before_a_moment_are_withdrawn_in_one_step(office: Run, hung: TestLock) -> None:
    argv = ("--issuer", "booking", "--audience", "all", "--json", "--at")
    told = json.loads(office("revoke-before", *argv, START - 300)[1])
    assert (told["raised"], told["locks"]) == (True, ["aaaaaaaa"])
    assert json.loads(office("revoke-before", *argv, START - 400)[1])["raised"] is False
    code, _, err = office("revoke-before", *argv, START + 100)
    assert (code, "FUTURE_CUT" in err) == (2, True)
    assert office("revoke-before", *argv[:3], "nowhere", "--at", START - 300)[0] == 2


def test_journal_of_a_lock_is_judged(office: Run, hung: TestLock, tmp_path: Path) -> None:
    for n in range(4):
        hung.record(audit.DOOR_STATE, n % 2)
    database = open_database(str(tmp_path / "t.db"), TOWN)
    vault = open_vault(tmp_path / "keys", TOWN, [1])
    raw, seal = hung.parcel(vault.public_keys, hung.records)
    with database.write() as session:
        assert take_parcel(session, vault, "gw", raw, seal, START).stored == 4
    argv = ("cloud", "check-journal", "aaaaaaaa", "--database", tmp_path / "t.db", "--json")
    assert run([str(word) for word in argv]) == 0
    with database.write() as session:
        session.execute(delete(AuditRecord).where(AuditRecord.seq == 2))
    database.close()
    assert run([str(word) for word in argv]) == 1
    assert run([*(str(word) for word in argv[:2]), "zzzzzzzz", *map(str, argv[3:])]) == 2


def test_weekly_single_and_group_tokens_are_issued_and_judged(kannuki: Run, tmp_path: Path) -> None:
    kannuki("keys", "init", "--dir", tmp_path)
    key = key_path(tmp_path, "staff-issuer")
    window = ("--not-before", START - 3600, "--expires-at", START + 5 * 86_400)
    common = ("--issuer-key-file", key, *window, "--issued-at", START - 3600)
    hours = ("--weekly", "sat 09:00-12:00", "--weekly", "Mon 22:00-01:00")
    text = kannuki("token", "issue", *common, "--lock", "+ggggggg2", *hours)[1].strip()
    shown = json.loads(kannuki("token", "inspect", text, "--json")[1])
    assert (shown["lock"], shown["weekly"]) == (
        "+ggggggg2",
        ["sat 09:00-12:00", "mon 22:00-01:00"],
    )
    public = read_key(key, "staff-issuer").public_key.hex()
    for at, groups, code in (
        (START, ["--group", "+ggggggg2"], 0),
        (START, [], 1),
        (START + 3 * 3600, ["--group", "+ggggggg2"], 1),
        (START + 2 * 86_400 + 14 * 3600, ["--group", "+ggggggg2"], 0),
    ):
        argv = ("--public-key", public, "--lock", "aaaaaaaa", "--at", at, *groups)
        assert kannuki("token", "verify", text, *argv)[0] == code
    assert kannuki("token", "issue", *common, "--lock", "aaaaaaaa", "--once")[0] == 0
    assert kannuki("token", "issue", *common, "--lock", "+ggggggg2", "--once")[0] == 2
    assert kannuki("token", "issue", *common, "--lock", "aaaaaaaa", "--weekly", "today")[0] == 2


def test_token_is_judged_by_a_trust_file(office: Run, kannuki: Run, tmp_path: Path) -> None:
    assert office("trust", "--out", tmp_path / "trust.json")[0] == 0
    window = ("--not-before", START, "--expires-at", START + 3600, "--issued-at", START)
    for purpose, code in (("booking-issuer", 0), ("emergency", 0)):
        key = key_path(tmp_path / "keys", purpose)  # type: ignore[arg-type]
        argv = ("--issuer-key-file", key, "--lock", "aaaaaaaa", "--permissions", "unlock")
        text = kannuki("token", "issue", *argv, *window)[1].strip()
        judge = ("--trust", tmp_path / "trust.json", "--lock", "aaaaaaaa", "--at", START)
        assert kannuki("token", "verify", text, *judge)[0] == code
    broken = json.loads((tmp_path / "trust.json").read_text())
    broken["roots"][0] = broken["keyset"][:43]
    (tmp_path / "trust.json").write_text(json.dumps(broken))
    assert kannuki("token", "verify", text, *judge)[0] == 2
