"""The vault in a process of its own gives what the one in ours gives, and its keys stay there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.keyfiles import key_path
from cloud.keywrap import KeyWrapError
from cloud.ports import LockKey, LockKeyError, PinOrder, ProofKeys, TokenOrder
from cloud.service import open_service
from cloud.trust import gateway_file
from cloud.vault_socket import MAX_PATH_BYTES, RemoteVault, VaultAway, VaultServer
from kannuki.errors import InputError
from kannuki.messages import from_base64url
from protocol import audit
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.pin import PinError
from tests.cloud.support import START, TOWN, Town, make_keys
from tests.cloud.test_keys import Phone, book, secret_of
from tests.cloud.web import open_web

READY_WITHIN_S = 30


@pytest.fixture
def path() -> Iterator[Path]:
    """A short one: the name of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vault-") as folder:
        yield Path(folder) / "s"


@dataclass
class Apart:
    """A town whose vault is a server of its own, in a thread."""

    town: Town
    server: VaultServer
    path: Path
    inside: ProofKeys

    @property
    def vault(self) -> RemoteVault:
        return RemoteVault(self.path)


@pytest.fixture
def apart(town: Town, path: Path) -> Iterator[Apart]:
    inside = town.service.vault
    server = VaultServer(path, inside, TOWN, {os.getuid()})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    town.service = replace(town.service, vault=RemoteVault(path))
    yield Apart(town, server, path, inside)
    server.shutdown()
    server.server_close()
    thread.join()


def lock_of(town: Town) -> LockKey:
    told = town.locks[0].enrolment()
    return LockKey(told.lock_id, told.public_key)


def token_for(town: Town, lock: LockKey, epoch: int = 1) -> bytes:
    order = TokenOrder(lock.lock_id, START, START + 3600, tokens.UNLOCK, epoch)
    return town.service.signers.issuer.issue(order, START - 60).raw_token


def test_every_answer_is_that_of_the_vault_within(apart: Apart) -> None:
    lock, there, here = lock_of(apart.town), apart.vault, apart.inside
    raw_token, order = token_for(apart.town, lock), PinOrder(START - START % 900, 4, 0)
    assert there.town == TOWN
    assert there.public_keys == here.public_keys
    assert there.proof_key(lock, raw_token) == here.proof_key(lock, raw_token)
    assert there.pin(lock, 1, order) == here.pin(lock, 1, order)
    assert there.relay_tickets(b"link") == here.relay_tickets(b"link")
    signer = apart.town.locks[0]
    signer.record(audit.DOOR_STATE, 1)
    raw, seal = signer.parcel(here.public_keys, signer.records)
    assert there.open_parcel(lock, raw, seal) == signer.records


async def test_resident_opens_with_a_key_that_came_from_the_vault_apart(apart: Apart) -> None:
    phone = Phone()
    async with open_web(apart.town.service) as web:
        got = (await phone.claim(web, secret_of(await book(web)))).json()
    (credential,) = got["credentials"]
    wanted = apart.inside.proof_key(lock_of(apart.town), from_base64url(credential["token"]))
    assert phone.unwrap(credential) == wanted
    assert apart.server.counts["wrap_proof_key"] == 1


def test_refusals_come_as_what_they_are(apart: Apart) -> None:
    lock = lock_of(apart.town)
    with pytest.raises(LockKeyError):
        apart.vault.proof_key(lock, token_for(apart.town, lock, epoch=7))
    with pytest.raises(KeyWrapError):
        apart.vault.wrap_proof_key(lock, token_for(apart.town, lock), b"no point")
    with pytest.raises(PinError):
        apart.vault.pin(lock, 1, PinOrder(START + 1, 4, 0))
    with pytest.raises(audit.AuditError):
        apart.vault.open_parcel(lock, b"no parcel", bytes(16))
    with pytest.raises(CoseError):
        apart.vault.proof_key(lock, b"no token")


def test_user_who_is_not_named_is_told_nothing(apart: Apart) -> None:
    assert not apart.server.may_ask(os.getuid() + 1)
    apart.server._may_ask = frozenset()
    with pytest.raises(VaultAway):
        _ = apart.vault.public_keys
    assert apart.server.counts["refused"] == 1


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_garbage_ends_its_own_exchange_and_no_other(garbage: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="vault-") as folder:
        server = VaultServer(Path(folder) / "s", _Nobody(), TOWN, {os.getuid()})
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with suppress(ConnectionError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(f"{folder}/s")
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            assert RemoteVault(Path(folder) / "s").town == TOWN
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Nobody:
    public_keys: dict[int, bytes] = {}

    def relay_tickets(self, bound_to: bytes) -> list[str]:
        raise AssertionError("garbage is no request")


async def test_without_the_vault_a_resident_is_told_to_come_again(town: Town, path: Path) -> None:
    away = replace(town.service, vault=RemoteVault(path))
    phone = Phone()
    async with open_web(away) as web:
        booked = await book(web)
        refused = await phone.claim(web, secret_of(booked))
        assert (refused.status_code, refused.json()["code"]) == (503, "VAULT_AWAY")
        assert refused.headers["Retry-After"] == "5"
    async with open_web(town.service) as web:
        assert (await phone.claim(web, secret_of(booked))).status_code == 200


def test_long_or_foreign_or_taken_names_are_refused_in_words(apart: Apart, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="longer than"):
        VaultServer(Path("/" + "x" * MAX_PATH_BYTES), apart.inside, TOWN, set())
    with pytest.raises(InputError, match="answers at .* already"):
        VaultServer(apart.path, apart.inside, TOWN, set())
    file = tmp_path / "f"
    file.write_text("mine")
    with pytest.raises(InputError, match="no socket"):
        VaultServer(file, apart.inside, TOWN, set())
    assert file.read_text() == "mine"


# --- as a process ---


@pytest.fixture
def process(town: Town, path: Path) -> Iterator[subprocess.Popen[str]]:
    """`kannuki cloud vault` with the town's vault keys, which the service's folder has no more."""
    own = town.folder / "vault-keys"
    own.mkdir(mode=0o700)
    (own / "keyset.cose").write_bytes((town.folder / "keys" / "keyset.cose").read_bytes())
    secret = key_path(town.folder / "keys", "vault", 1)
    secret.rename(own / secret.name)
    command = ["cloud", "vault", "--keys-dir", own, "--town", TOWN, "--socket", path]
    child = subprocess.Popen(
        [sys.executable, "-m", "kannuki", *map(str, command)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["epochs"] == [1]
    yield child
    child.kill()
    child.communicate()


def opened(town: Town, path: Path | None) -> None:
    town.service = open_service(
        TOWN, town.service.database, town.folder / "keys", town.clock, "https://key.example/", path
    )


@pytest.mark.slow
def test_service_whose_folder_has_no_vault_key_works_by_the_socket(
    town: Town, path: Path, process: subprocess.Popen[str]
) -> None:
    inside = town.service.vault
    with pytest.raises(InputError):
        opened(town, None)
    opened(town, path)
    (credential, *_) = gateway_file(town.service, "gw-1").locks
    lock = lock_of(town)
    assert credential.proof_key == inside.proof_key(lock, credential.token)
    process.send_signal(signal.SIGTERM)
    assert process.wait(READY_WITHIN_S) == 0
    assert not path.exists()
    with pytest.raises(VaultAway):
        town.service.vault.relay_tickets(b"x")


@pytest.mark.slow
def test_socket_of_a_killed_vault_is_in_nobodys_way(
    town: Town, path: Path, process: subprocess.Popen[str]
) -> None:
    process.kill()
    process.wait()
    assert path.exists()
    with pytest.raises(InputError, match="no vault answers"):
        opened(town, path)
    VaultServer(path, town.service.vault, TOWN, {os.getuid()}).server_close()


def test_vault_of_other_keys_is_not_taken(apart: Apart, tmp_path: Path) -> None:
    make_keys(tmp_path / "others")
    with pytest.raises(InputError, match="other keys"):
        open_service(
            TOWN,
            apart.town.service.database,
            tmp_path / "others",
            apart.town.clock,
            "https://key.example/",
            apart.path,
        )
