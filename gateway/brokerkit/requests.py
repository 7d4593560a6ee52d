"""A gateway's own key and the request to have it signed: the key is made here and never travels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.brokerkit import authority, files
from gateway.brokerkit.authority import AuthorityError
from gateway.brokerkit.kit import key_bytes, load_key
from kannuki.errors import InputError


def make_request(
    folder: Path, town: str, name: str, new_key: Callable[[], ec.EllipticCurvePrivateKey]
) -> tuple[Path, Path]:
    """Paths of key and request. A key that is there already is kept and asked for again."""
    try:
        identity = authority.common_name(town, name)
    except AuthorityError as error:
        raise InputError(str(error), "see kannuki gateway broker request --help") from error
    folder.mkdir(parents=True, exist_ok=True)
    key_path, request_path = folder / f"{name}.key", folder / f"{name}.csr"
    if not key_path.exists():
        files.write(key_path, key_bytes(new_key()), files.SECRET)
    request = authority.make_request(load_key(key_path), identity)
    files.write(request_path, request, files.PUBLIC)
    return key_path, request_path
