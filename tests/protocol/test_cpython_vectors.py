"""The vectors as files: reproducible, readable by JavaScript, held against outside ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import VerifyKey

from cloud import keywrap
from cloud.ports import WrappedKey
from protocol import cbor, cose
from tests.protocol import generate_vectors
from tests.protocol.support import vectors

OUTSIDE = Path(__file__).resolve().parents[1] / "vectors"


@pytest.mark.parametrize("name", sorted(generate_vectors.FILES))
def test_regeneration_gives_the_same_bytes(name: str) -> None:
    committed = (generate_vectors.FOLDER / f"{name}.json").read_bytes()
    assert committed == generate_vectors.render(name).encode("ascii"), "run: make vectors"


def test_every_vector_file_is_generated() -> None:
    on_disk = {path.stem for path in generate_vectors.FOLDER.glob("*.json")}
    assert on_disk == set(generate_vectors.FILES)


def test_a_stale_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_vectors, "FOLDER", tmp_path)
    assert generate_vectors.main([]) == 0
    assert generate_vectors.main(["--check"]) == 0
    (tmp_path / "gatt.json").write_text("{}\n")
    assert generate_vectors.main(["--check"]) == 1
    assert generate_vectors.main(["--whatever"]) == 2


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("name", sorted(generate_vectors.FILES))
def test_javascript_can_hold_every_number(name: str) -> None:
    for number in _numbers(vectors(name)):
        assert isinstance(number, int)
        assert abs(number) < 1 << 53


def test_the_tokens_and_documents_carry_genuine_signatures() -> None:
    known = vectors("token")
    for row in known["tokens"]:
        public_key = VerifyKey(bytes.fromhex(known["keys"][row["issuer"]]["public_key"]))
        public_key.verify(bytes.fromhex(row["sig_structure"]), bytes.fromhex(row["signature"]))
    status = vectors("statuslist")
    signed = cose.decode(bytes.fromhex(status["document"]))
    public_key = VerifyKey(bytes.fromhex(status["public_key"]))
    public_key.verify(signed.signed_bytes(status["context"].encode()), signed.signature)


def test_our_sig_structure_is_the_one_of_the_cose_working_group() -> None:
    example = json.loads((OUTSIDE / "cose" / "eddsa-sig-01.json").read_text())
    envelope = cbor.decode(bytes.fromhex(example["output"]["cbor"]), (18,))
    protected, _, payload, signature = envelope.value
    to_sign = cose.Signed(protected, b"", payload, signature).signed_bytes()
    assert to_sign.hex().upper() == example["intermediates"]["ToBeSign_hex"]
    key = VerifyKey(bytes.fromhex(example["input"]["sign0"]["key"]["x_hex"]))
    key.verify(to_sign, signature)


def test_no_envelope_from_outside_passes_for_one_of_ours() -> None:
    for path in sorted((OUTSIDE / "cose").glob("*.json")):
        raw = bytes.fromhex(json.loads(path.read_text())["output"]["cbor"])
        with pytest.raises(cose.CoseError):
            cose.decode(raw)


def test_the_towns_wrapping_is_the_one_of_the_vector() -> None:
    known = vectors("claim")
    device = ec.derive_private_key(int(known["device"]["private_key"], 16), ec.SECP256R1())
    assert keywrap.raw_point(device.public_key()).hex() == known["device"]["public_key"]
    wrapped = WrappedKey(
        bytes.fromhex(known["server"]["public_key"]), bytes.fromhex(known["wrapped"])
    )
    token = bytes.fromhex(known["token"])
    assert keywrap.unwrap(wrapped, token, device).hex() == known["proof_key"]
    with pytest.raises(keywrap.KeyWrapError):
        keywrap.unwrap(wrapped, token + b"!", device)
