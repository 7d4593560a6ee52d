"""The bench: what a board is told, what it must answer, and which trust files are refused."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from kannuki.cli import run
from kannuki.enrolment import EnrolmentFile, FileError, TrustFile, read_file, write_file
from protocol import cose, keys, keyset, lockconfig
from protocol.keyset import IssuerKey, Keyset
from protocol.lockconfig import DoorConfig, LockConfig
from provisioning.enrol import EnrolmentFailed, enrol
from provisioning.trust import check_config, check_trust, read_trust

TOWN, LOCK, NOW = "misaki", "aaaaaaaa", 1_796_000_000
ROOTS = [SigningKey(bytes([n]) * 32) for n in (1, 2)]
CONFIG_KEY, STATUS_KEY, STRANGER = (SigningKey(bytes([n]) * 32) for n in (3, 4, 5))
ANSWER = {"public_key": "11" * 32, "signing_key": "22" * 32}


def public(key: SigningKey) -> bytes:
    return bytes(key.verify_key)


def sign(key: SigningKey, payload: bytes, context: bytes) -> bytes:
    kid = keys.key_id(public(key))
    return cose.encode(kid, payload, key.sign(cose.to_sign(kid, payload, context)).signature)


def trust(signer: SigningKey = ROOTS[0], town: str = TOWN, **changes: Any) -> TrustFile:
    rows = [
        IssuerKey(public(CONFIG_KEY), keyset.ROLE_CONFIG, 0, 0, 0),
        IssuerKey(public(STATUS_KEY), keyset.ROLE_STATUS, 0, 0, 0),
    ]
    both = (public(ROOTS[0]), public(ROOTS[1]))
    made = keyset.encode(Keyset(town, 1, NOW, rows, {1: bytes(range(32))}, both))
    document = sign(signer, made, keyset.CONTEXT)
    values: dict[str, Any] = {"town": TOWN, "roots": list(both), "keyset": document}
    return TrustFile(**(values | changes))


def spoilt(document: bytes) -> bytes:
    """With another last bit in its signature."""
    return document[:-1] + bytes([document[-1] ^ 1])


class Board:
    """Keeps what it was told; answers as it is told to."""

    def __init__(self, answer: dict[str, str] | str) -> None:
        self.answer = answer
        self.request: dict[str, Any] = {}

    def run(self, source: str) -> str:
        call = ast.parse(source).body[1]
        assert isinstance(call, ast.Expr)
        assert isinstance(call.value, ast.Call)
        assert isinstance(call.value.args[0], ast.Constant)
        self.request = json.loads(str(call.value.args[0].value))
        return self.answer if isinstance(self.answer, str) else json.dumps(self.answer) + "\n"


def test_board_is_told_roots_keyset_and_time_and_nothing_secret() -> None:
    board, file = Board(ANSWER), trust()
    told = enrol(board, file, LOCK, NOW)
    assert board.request == {
        "town": TOWN,
        "lock_id": LOCK,
        "roots": [root.hex() for root in file.roots],
        "keyset": file.keyset.hex(),
        "journal_epoch": 1,
        "time": [NOW, 60],
        "config": None,
    }
    assert told == EnrolmentFile(
        town=TOWN,
        lock_id=LOCK,
        public_key=b"\x11" * 32,
        signing_key=b"\x22" * 32,
        journal_epoch=1,
        enrolled_at=NOW,
    )


def test_lock_enrolled_again_is_told_its_journal_and_its_door() -> None:
    board = Board(ANSWER)
    told = enrol(board, trust(), LOCK, NOW, 7, b"\x01\x02")
    assert (board.request["journal_epoch"], board.request["config"]) == (7, "0102")
    assert told.journal_epoch == 7


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "enrolled already"}, "enrolled already"),
        ({"public_key": "11" * 32}, "signing_key"),
        ({"public_key": "11" * 31, "signing_key": "22" * 32}, "public_key"),
        ({"public_key": "zz", "signing_key": "22" * 32}, "public_key"),
        ("Traceback", "did not answer: Traceback"),
        ("", "nothing printed"),
    ],
)
def test_board_that_answers_otherwise_has_failed(answer: dict[str, str] | str, told: str) -> None:
    with pytest.raises(EnrolmentFailed, match=told):
        enrol(Board(answer), trust(), LOCK, NOW)


def test_either_root_may_have_signed_the_keyset() -> None:
    for root in ROOTS:
        assert check_trust(trust(root)).version == 1


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (trust(STRANGER), "no root of the file"),
        (trust(town="elsewhere"), "of the town 'elsewhere'"),
        (trust(roots=[public(ROOTS[0]), public(STRANGER)]), "other roots"),
        (trust(roots=[b"x", public(ROOTS[1])]), "32 bytes"),
        (trust(keyset=b"\xd2"), "cannot be read"),
        (trust(keyset=spoilt(trust().keyset)), "no root of the file"),
    ],
)
def test_trust_file_whose_parts_do_not_fit_is_refused(file: TrustFile, complaint: str) -> None:
    with pytest.raises(FileError, match=complaint):
        check_trust(file)


def configured(key: SigningKey, lock_id: str = LOCK) -> bytes:
    config = LockConfig(lock_id, 1, NOW, [], DoorConfig())
    return sign(key, lockconfig.encode(config), lockconfig.CONTEXT)


def test_configuration_must_come_from_the_towns_config_key_for_this_lock() -> None:
    assert check_config(configured(CONFIG_KEY), trust(), LOCK).version == 1
    for document in (
        configured(STATUS_KEY),
        configured(STRANGER),
        configured(CONFIG_KEY, "bbbbbbbb"),
        spoilt(configured(CONFIG_KEY)),
        b"",
    ):
        with pytest.raises(FileError):
            check_config(document, trust(), LOCK)


# --- the command, up to the board ---


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `kannuki provision enrol` with a board that does not exist: (exit code, stderr)."""
    write_file(tmp_path / "trust.json", trust())
    previous = enrol(Board(ANSWER), trust(), LOCK, NOW, 3)
    write_file(tmp_path / "before.json", previous)

    def call(*argv: object) -> tuple[int, str]:
        paths = ("--image", tmp_path / "i", "--out", tmp_path / "o", "--board", "none")
        words = ("provision", "enrol", "--trust", tmp_path / "trust.json", *paths, *argv)
        code = run([str(word) for word in words])
        return code, capsys.readouterr().err

    return call


def test_command_refuses_a_forged_trust_file_before_anything_is_made(
    bench: Any, tmp_path: Path
) -> None:
    write_file(tmp_path / "trust.json", trust(STRANGER))
    code, err = bench()
    assert (code, "no root of the file has signed the keyset" in err) == (2, True)
    assert not (tmp_path / "i").exists()


def test_command_makes_the_journal_of_a_lock_enrolled_again_rise(
    bench: Any, tmp_path: Path
) -> None:
    before = tmp_path / "before.json"
    code, err = bench("--again", before, "--journal-epoch", 3)
    assert (code, "--journal-epoch 4" in err) == (2, True)
    code, err = bench("--again", before, "--lock-id", "bbbbbbbb")
    assert (code, f"of the lock {LOCK}" in err) == (2, True)
    write_file(before, read_file(before, EnrolmentFile).model_copy(update={"town": "other"}))
    code, err = bench("--again", before)
    assert (code, "of the town 'other'" in err) == (2, True)
    assert not (tmp_path / "i").exists()


def test_command_refuses_a_configuration_of_another_lock(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "door.cose").write_bytes(configured(CONFIG_KEY, "bbbbbbbb"))
    code, err = bench("--lock-id", LOCK, "--config", tmp_path / "door.cose")
    assert (code, "for the lock bbbbbbbb" in err) == (2, True)


def test_trust_file_is_read_and_checked_in_one(tmp_path: Path) -> None:
    write_file(tmp_path / "trust.json", trust())
    assert read_trust(tmp_path / "trust.json")[1].town == TOWN
    write_file(tmp_path / "trust.json", trust(STRANGER))
    with pytest.raises(FileError, match=r"trust\.json: no root"):
        read_trust(tmp_path / "trust.json")
