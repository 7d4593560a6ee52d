"""Keys, roots and keysets: what a town may sign, in which order, and what it is told."""

from __future__ import annotations

import json
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud import keysets
from cloud.issuer import OrderError, TokenSigner
from cloud.keyfiles import OPERATIONAL, VAULT, Purpose, key_path, new_key, read_key
from cloud.ports import TokenOrder
from cloud.roles import ISSUERS, ROLES
from kannuki.cli import run
from protocol import keyset, verify
from protocol import token as tokens
from protocol.token import Weekly
from tests.cloud.support import CRYPTO, START, TOWN

Run = Callable[..., tuple[int, str, str]]
DAY_S = 86_400


@pytest.fixture
def kannuki(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `kannuki keys ...`; (exit code, stdout, stderr)."""

    def call(*argv: object) -> tuple[int, str, str]:
        code = run(["keys", *(str(word) for word in argv)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def sign(kannuki: Run, tmp_path: Path) -> Run:
    """A town with keys and two roots in two safes; signs the next keyset with root `n`."""
    assert kannuki("init", "--dir", tmp_path / "k")[0] == 0
    for n in (1, 2, 3):
        assert kannuki("root", "--out", tmp_path / f"safe{n}")[0] == 0

    def call(n: int, *argv: object) -> tuple[int, str, str]:
        common = ("--dir", tmp_path / "k", "--root", tmp_path / f"safe{n}", "--town", TOWN)
        return kannuki("keyset", *common, *argv)

    return call


def held(folder: Path) -> keyset.Keyset:
    """What a lock of this town would hold after taking the newest keyset."""
    return keysets.read_file(folder / "k" / keysets.FILE_NAME).keyset


def test_first_keyset_names_every_key_and_both_roots(sign: Run, tmp_path: Path) -> None:
    code, out, _ = sign(1, "--other-root-public", tmp_path / "safe2", "--json")
    assert (code, json.loads(out)["version"]) == (0, 1)
    signed, content = keyset.parse((tmp_path / "k" / "keyset.cose").read_bytes())
    assert verify.verify_root(content, CRYPTO, signed, keyset.CONTEXT)
    assert len(content.keys) == len(OPERATIONAL)
    assert {row.role for row in content.keys.values()} == set(range(1, 9))
    assert list(content.vaults) == [1]


def test_key_files_are_private_and_the_service_has_no_root(sign: Run, tmp_path: Path) -> None:
    files = list((tmp_path / "k").iterdir())
    assert {path.name for path in files} == {f"{p}.key" for p in OPERATIONAL} | {"vault-1.key"}
    for path in [*files, tmp_path / "safe1"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_signed_when_nothing_differs(sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    code, _, err = sign(2)
    assert (code, "nothing differs" in err) == (2, True)
    assert held(tmp_path).version == 1


def test_vault_epochs_come_and_go_and_at_most_two_live(sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    assert sign(2, "--new-epoch")[0] == 0
    assert sorted(held(tmp_path).vaults) == [1, 2]
    code, _, err = sign(1, "--new-epoch")
    assert (code, "--retire-epoch 1" in err) == (2, True)
    assert not key_path(tmp_path / "k", VAULT, 3).exists()
    assert sign(1, "--new-epoch", "--retire-epoch", 1)[0] == 0
    assert (sorted(held(tmp_path).vaults), held(tmp_path).version) == ([2, 3], 3)
    assert sign(1, "--retire-epoch", 1)[0] == 2
    sign(1, "--retire-epoch", 2)
    assert sign(1, "--retire-epoch", 3)[0] == 2


def test_root_is_replaced_by_a_document_of_the_other(sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    before = held(tmp_path)
    public = read_key(tmp_path / "safe3", "root").public_key
    code, out, _ = sign(1, "--other-root-public", public.hex())
    assert (code, "is gone" in out) == (0, True)
    after = held(tmp_path)
    assert before.may_be_followed_by(after)
    assert after.roots == (before.roots[0], public)
    assert sign(2, "--new-epoch", "--other-root-public", tmp_path / "safe1")[0] == 2
    assert sign(3, "--new-epoch")[0] == 0


def test_stranger_root_cannot_take_a_town_over(sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    code, _, err = sign(3, "--other-root-public", tmp_path / "safe1", "--new-epoch")
    assert (code, "locks do not know this root" in err) == (2, True)
    assert sign(1, "--other-root-public", tmp_path / "safe1")[0] == 2
    assert held(tmp_path).version == 1


def test_keyset_of_another_town_is_not_continued(kannuki: Run, sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    common = ("--dir", tmp_path / "k", "--root", tmp_path / "safe1", "--new-epoch")
    code, _, err = kannuki("keyset", *common, "--town", "elsewhere")
    assert (code, f"of the town '{TOWN}'" in err) == (2, True)


def test_key_made_anew_is_told_and_the_old_one_goes(sign: Run, tmp_path: Path) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    path = key_path(tmp_path / "k", "status")
    path.unlink()
    path.write_text(new_key("status", secrets.token_bytes).model_dump_json())
    path.chmod(0o600)
    told = json.loads(sign(1, "--json")[1])["changes"]
    assert [("new" in line, "status" in line) for line in told] == [(True, True), (False, True)]


@pytest.mark.parametrize("wrong", ["status", "vault"])
def test_only_a_root_signs_a_keyset(
    kannuki: Run, sign: Run, tmp_path: Path, wrong: Purpose
) -> None:
    path = key_path(tmp_path / "k", wrong)
    common = ("--dir", tmp_path / "k", "--town", TOWN, "--other-root-public", tmp_path / "safe2")
    code, _, err = kannuki("keyset", *common, "--root", path)
    assert (code, f"holds the {wrong} key" in err) == (2, True)


def test_inspect_reads_a_keyset_and_refuses_a_forged_one(
    kannuki: Run, sign: Run, tmp_path: Path
) -> None:
    sign(1, "--other-root-public", tmp_path / "safe2")
    path = tmp_path / "k" / keysets.FILE_NAME
    told = json.loads(kannuki("inspect", path, "--json")[1])
    assert (told["town"], told["version"], len(told["roots"])) == (TOWN, 1, 2)
    assert "gateway" in "".join(str(path) for path in (tmp_path / "k").iterdir())
    assert "maintain, status" in kannuki("inspect", path)[1].replace(
        "status, maintain", "maintain, status"
    )
    forged = bytearray(path.read_bytes())
    forged[-1] ^= 1
    path.write_bytes(forged)
    assert kannuki("inspect", path)[0] == 2
    assert kannuki("inspect", tmp_path / "nothing")[0] == 2


def test_everything_for_a_first_start_in_one_go(kannuki: Run, tmp_path: Path) -> None:
    argv = ("init", "--dir", tmp_path / "k", "--with-roots", tmp_path / "r")
    assert kannuki(*argv)[0] == 2
    assert kannuki(*argv, "--town", TOWN, "--clock-offset-s", -DAY_S)[0] == 0
    assert held(tmp_path).version == 1
    assert (
        kannuki("init", "--dir", tmp_path / "l", "--with-roots", tmp_path / "r", "--town", TOWN)[0]
        == 2
    )
    assert not (tmp_path / "l").exists()


# --- what the issuers sign ---

LIMITS = {
    "booking-issuer": (32, 400),
    "staff-issuer": (7, 7),
    "gateway-issuer": (90, 7),
    "emergency": (366, 31),
}


@pytest.mark.parametrize("purpose", ISSUERS)
def test_issuer_signs_up_to_its_limits_and_the_lock_agrees(purpose: Purpose) -> None:
    signer = TokenSigner(new_key(purpose, secrets.token_bytes), secrets.token_bytes)
    days, ahead = LIMITS[purpose]
    bits = ROLES[purpose].permissions
    begins = START + ahead * DAY_S
    raw = signer.issue(TokenOrder("aaaaaaaa", begins, begins + days * DAY_S, bits, 1), START)
    assert len(raw.raw_token) <= tokens.MAX_TOKEN_BYTES
    for order in (
        TokenOrder("aaaaaaaa", START, START + days * DAY_S + 1, bits, 1),
        TokenOrder("aaaaaaaa", begins + 1, begins + 60, bits, 1),
    ):
        with pytest.raises(OrderError):
            signer.issue(order, START)


def test_permissions_beyond_a_role_are_never_signed() -> None:
    for purpose in ISSUERS:
        signer = TokenSigner(new_key(purpose, secrets.token_bytes), secrets.token_bytes)
        for bit in range(7):
            order = TokenOrder("aaaaaaaa", START, START + 60, 1 << bit, 1)
            if ROLES[purpose].permissions & 1 << bit:
                signer.issue(order, START)
            else:
                with pytest.raises(OrderError):
                    signer.issue(order, START)


def test_gateway_issuer_can_open_no_door() -> None:
    opens = tokens.UNLOCK | tokens.UNLOCK_REMOTE | tokens.HOLD_OPEN | tokens.EVACUATE
    assert ROLES["gateway-issuer"].permissions & opens == 0


def test_group_weekly_and_single_tokens_are_signed_and_bounded() -> None:
    signer = TokenSigner(new_key("booking-issuer", secrets.token_bytes), secrets.token_bytes)
    weekly = Weekly(540, [(9 * 60, 120)])
    order = TokenOrder("+aaaaaaaa", START, START + DAY_S, tokens.UNLOCK, 2, weekly)
    claims = tokens.parse(signer.issue(order, START).raw_token)[1]
    assert (claims.audience, claims.epoch, claims.once) == ("+aaaaaaaa", 2, False)
    assert claims.weekly.windows == [(540, 120)]
    once = TokenOrder("aaaaaaaa", START, START + 60, tokens.UNLOCK, 1, once=True)
    assert tokens.parse(signer.issue(once, START).raw_token)[1].once
    with pytest.raises(tokens.TokenError):
        signer.issue(TokenOrder("+aaaaaaaa", START, START + 60, 1, 1, once=True), START)


def test_emergency_token_is_for_one_lock_alone() -> None:
    signer = TokenSigner(new_key("emergency", secrets.token_bytes), secrets.token_bytes)
    with pytest.raises(OrderError, match="one lock"):
        signer.issue(TokenOrder("+aaaaaaaa", START, START + 60, tokens.UNLOCK, 1), START)
