"""The lock against a simple oracle, whatever people, attackers and the power company do.

`make test` takes some thousands of steps; `make soak` a million, and writes down which. The curve
arithmetic is not the subject here (tests of ed25519 and x25519 have it): libsodium does it.
"""

from __future__ import annotations

import time

import nacl.bindings
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from nacl.signing import SigningKey

from firmware.core import ed25519_sign, secrets
from kannuki.soak import write_figures
from tests.firmware.model import counts as tally
from tests.firmware.model.counts import Counts
from tests.firmware.model.lock_machine import LockMachine

SOAK_STEPS = 1_000_000
STEPS_PER_EXAMPLE = 100
RULES = 55
REASONS = {
    "OK",
    "WRONG_LOCK",
    "UNKNOWN_ISSUER",
    "BAD_MAC",
    "BAD_SIGNATURE",
    "NOT_ALLOWED_TO_ISSUE",
    "NOT_YET_VALID",
    "EXPIRED",
    "TIME_UNKNOWN",
    "SCOPE",
    "REVOKED",
    "keypad: OK",
    "keypad: PIN_REFUSED",
    "keypad: PIN_WAIT",
}


RARE_REASONS = {"SPENT", "STORAGE", "keypad: PIN_NOT_HERE"}


def profile(examples: int, steps: int) -> settings:
    """Of one run; nothing is timed, and nothing kept between runs."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    fresh = Counts()
    monkeypatch.setattr(tally, "COUNTS", fresh)
    return fresh


@pytest.fixture(autouse=True)
def curves_by_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    def sign(seed: bytes, public_key: bytes, message: bytes) -> bytes:
        return bytes(SigningKey(seed).sign(message).signature)

    monkeypatch.setattr(secrets, "x25519", nacl.bindings.crypto_scalarmult)
    monkeypatch.setattr(secrets, "public_key", nacl.bindings.crypto_scalarmult_base)
    monkeypatch.setattr(ed25519_sign, "sign", sign)


@pytest.mark.timeout(900)  # to shrink what fails; it takes some 15 s when nothing does
def test_the_lock_agrees_with_the_oracle(counts: Counts) -> None:
    run_state_machine_as_test(LockMachine, settings=profile(200, 60))
    assert counts.steps > 5000
    assert len(counts.rules) >= RULES - 2  # chance may leave one out of so short a run
    assert set(counts.answers) >= REASONS


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_lock_agrees_with_the_oracle_for_a_million_steps(
    counts: Counts, pytestconfig: pytest.Config
) -> None:
    began_at = time.monotonic()
    while counts.steps < SOAK_STEPS:
        run_state_machine_as_test(LockMachine, settings=profile(500, STEPS_PER_EXAMPLE))
        figures = {**counts.figures(), "seconds": round(time.monotonic() - began_at)}
        write_figures(pytestconfig.rootpath, "model", figures)
    assert len(counts.rules) == RULES
    assert set(counts.answers) >= REASONS | {
        "SPENT",
        "keypad: PIN_DISABLED",
        "keypad: PIN_NOT_HERE",
    }
