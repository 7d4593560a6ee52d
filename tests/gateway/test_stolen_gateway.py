"""A stolen gateway that does everything at once to a real lock: nothing illegitimate opens."""

from __future__ import annotations

import time
from collections import Counter

import nacl.bindings
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from nacl.signing import SigningKey

from firmware.core import ed25519_sign, secrets
from kannuki.soak import write_figures
from protocol import statuslist
from tests.firmware.town import LOCK_ID
from tests.gateway.hostile import machine
from tests.gateway.hostile.machine import StolenGateway
from tests.gateway.hostile.street import Street

SOAK_STEPS = 300_000
RULES = (
    *("replay", "replay session", "pass on", "change", "to a phone", "lie to a phone"),
    *("bring", "time", "power", "relay", "at the door"),
)
NOT_RULES = ("openings", "retractions", "runs", "relays told open")


def profile(examples: int, steps: int, is_repeatable: bool = True) -> settings:
    """Of one run; nothing is timed, and nothing kept between runs."""
    return settings(
        derandomize=is_repeatable,
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


def figures(counts: Counter[str]) -> dict[str, object]:
    rules = {name: n for name, n in counts.items() if ":" not in name and name not in NOT_RULES}
    return {
        "steps": sum(rules.values()),
        "illegitimate_openings": 0,
        **dict(sorted(counts.items())),
    }


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    fresh: Counter[str] = Counter()
    monkeypatch.setattr(machine, "COUNTS", fresh)
    return fresh


@pytest.fixture(autouse=True)
def curves_by_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic is not the subject here."""

    def sign(seed: bytes, public_key: bytes, message: bytes) -> bytes:
        return bytes(SigningKey(seed).sign(message).signature)

    monkeypatch.setattr(secrets, "x25519", nacl.bindings.crypto_scalarmult)
    monkeypatch.setattr(secrets, "public_key", nacl.bindings.crypto_scalarmult_base)
    monkeypatch.setattr(ed25519_sign, "sign", sign)


@pytest.mark.timeout(900)  # to shrink what fails
def test_a_stolen_gateway_opens_nothing_whatever_it_plays_and_to_whom(counts: Counter[str]) -> None:
    run_state_machine_as_test(StolenGateway, settings=profile(80, 50))
    assert counts["openings"] > 20, "nobody got in: nothing was shown"
    assert counts["retractions"] > 10
    assert counts["relays told open"] > 5
    assert min(counts[name] for name in RULES) > 20, counts
    assert all(counts[f"{what}: taken"] for what in ("list", "config", "token"))


class NoncesRepeat(Street):
    """What was heard once opens again."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.lock._crypto.random_bytes = bytes


class ListsIgnored(Street):
    """The lock takes lists and reads none."""

    def check(self) -> None:
        self.lock.core.trust.status = statuslist.empty(LOCK_ID)
        super().check()


class BoltOfItsOwn(Street):
    """A restart draws the bolt."""

    def cut_power(self, stop_rtc: bool) -> None:
        self.lock.door.bolt = 0.0
        super().cut_power(stop_rtc)


@pytest.mark.parametrize(
    ("street", "finding"),
    [
        (NoncesRepeat, "no resident asked for"),
        (ListsIgnored, "withdrawn"),
        (BoltOfItsOwn, "moved for nobody"),
    ],
)
def test_the_same_run_finds_a_lock_that_fails(
    street: type[Street], finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "Street", street)
    unshrunk = settings(profile(400, 50), phases=(Phase.generate,))
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(StolenGateway, settings=unshrunk)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_stolen_gateway_opens_nothing_in_a_long_run(
    counts: Counter[str], pytestconfig: pytest.Config
) -> None:
    began_at = time.monotonic()
    while sum(counts.values()) < SOAK_STEPS:
        run_state_machine_as_test(StolenGateway, settings=profile(300, 80, is_repeatable=False))
        told = {**figures(counts), "seconds": round(time.monotonic() - began_at)}
        write_figures(pytestconfig.rootpath, "hostile_gateway", told)
    assert counts["keyset: taken"] and counts["delta: taken"] and counts["ack: taken"]
