"""Ed25519 on CPython: agreement with libsodium for anything, generated code, architectures."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import ed25519
from firmware.core import ed25519_curve as curve
from firmware.tools import generate_ed25519_rv32, generate_ed25519_viper
from kannuki.errors import InputError
from provisioning import image
from provisioning.cli import provision
from provisioning.tree import ARCHITECTURES, architecture_of, device_tree
from tests.firmware.generate_ed25519_edges import TARGET, exact, libsodium, mixed

NEAR_P = st.integers(min_value=curve.P - 20, max_value=(1 << 255) - 1)
SEEDED = st.integers(0, 1 << 64).map(random.Random)
ENCODINGS = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.tuples(NEAR_P, st.booleans()).map(lambda n: (n[0] | n[1] << 255).to_bytes(32, "little")),
    st.integers(min_value=0, max_value=20).map(lambda n: n.to_bytes(32, "little")),
)


@settings(max_examples=30, deadline=None)
@given(SEEDED, st.integers(0, 7), st.integers(0, 7))
def test_verdict_on_keys_and_points_of_mixed_order_is_libsodiums(
    draw: random.Random, of_key: int, of_r: int
) -> None:
    case = mixed(draw, of_key, of_r)
    assert ed25519.verify(*case) == libsodium(*case)


@settings(max_examples=8, deadline=None)
@given(SEEDED, st.integers(0, 7), st.integers(0, 511))
def test_good_signatures_are_accepted_and_changed_ones_are_not(
    draw: random.Random, of_key: int, bit: int
) -> None:
    key, message, signature = exact(draw, of_key)
    assert ed25519.verify(key, message, signature) and libsodium(key, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(key, message, bytes(changed))
    assert not ed25519.verify(key, message + b"!", signature)


@settings(max_examples=200, deadline=None)
@given(ENCODINGS, ENCODINGS, st.integers(0, (1 << 256) - 1), st.binary(max_size=40))
def test_verdict_on_any_encoding_is_libsodiums(
    key: bytes, raw_r: bytes, s: int, message: bytes
) -> None:
    for number in (s, s % curve.L, 0):
        signature = raw_r + number.to_bytes(32, "little")
        assert ed25519.verify(key, message, signature) == libsodium(key, message, signature)


def test_edge_vectors_are_libsodiums_verdicts() -> None:
    cases = json.loads(TARGET.read_text(encoding="utf-8"))
    for key, message, signature, verdict in cases:
        given_case = (bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
        assert libsodium(*given_case) == verdict


@pytest.mark.parametrize(
    ("name", "generator"),
    [("ed25519_viper.py", generate_ed25519_viper), ("ed25519_rv32.py", generate_ed25519_rv32)],
)
def test_generated_code_is_what_the_generator_writes(name: str, generator: ModuleType) -> None:
    text = Path(ed25519.__file__).with_name(name).read_text(encoding="utf-8")
    assert text == generator.module()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_machine_code_is_built_for_every_architecture(architecture: str) -> None:
    tree = device_tree(architecture=architecture)
    assert tree["/lib/firmware/core/ed25519_viper.mpy"][:1] == b"M"
    names = ["ed25519", "ed25519_steps", "ed25519_sign", "sha512"]
    names += ["ed25519_rv32"] if architecture == "rv32imc" else []
    assert set(tree) - set(device_tree(architecture=None)) == {
        f"/lib/firmware/core/{name}_viper.mpy" for name in names
    }


@pytest.mark.parametrize(
    ("board", "architecture"),
    [("ESP32", "xtensawin"), ("esp32-S3", "xtensawin"), ("ESP32-C3", "rv32imc")],
)
def test_a_boards_usual_name_tells_its_architecture(board: str, architecture: str) -> None:
    assert architecture_of(board) == architecture


def test_an_image_is_renewed_with_the_machine_code_of_its_chip(tmp_path: Path) -> None:
    flash = tmp_path / "lock.img"
    image.create(flash, device_tree())
    for chip, there in (("esp32c3", True), ("esp32", False)):
        done = CliRunner().invoke(provision, ["update", str(flash), "--chip", chip, "--json"])
        assert json.loads(done.output)["changed"]
        assert ("/lib/firmware/core/ed25519_rv32_viper.mpy" in image.listing(flash)) == there
    refused = CliRunner().invoke(provision, ["update", str(flash), "--chip", "esp8266"])
    assert isinstance(refused.exception, InputError)
    assert "esp32c3" in refused.exception.remedy


def test_an_unknown_board_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="esp8266"):
        architecture_of("esp8266")


def test_unknown_architecture_is_refused() -> None:
    with pytest.raises(InputError):
        device_tree(architecture="z80")
