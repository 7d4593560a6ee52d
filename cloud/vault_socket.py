"""The vault as a process of its own: what is asked of it over a Unix socket, and the asking side.

Only what `ports.ProofKeys` names crosses: bytes and public facts, a request and an answer of
deterministic CBOR behind a length, one exchange for each connection. The vault's keys never do.
Decides who may ask: the users that its start names, as the kernel tells them (SO_PEERCRED).
Does not decide what is derived, which is cloud.vault's.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from cloud.keywrap import KeyWrapError
from cloud.ports import LockKey, LockKeyError, PinOrder, ProofKeys, WrappedKey
from cloud.problems import Problem
from kannuki.errors import InputError
from protocol import cbor
from protocol.audit import AuditError
from protocol.cose import CoseError
from protocol.pin import PinError
from protocol.token import TokenError

log = logging.getLogger(__name__)
MAX_PATH_BYTES = 107  # of a Unix socket's address (unix(7))
WITHIN_S = 5.0
COME_AGAIN_S = 5
_LENGTH = struct.Struct(">I")
_MAX_BYTES = 64 * 1024
_PEER = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
_REFUSALS = (LockKeyError, KeyWrapError, PinError, AuditError, TokenError, CoseError)
_ERRORS: dict[str, type[Exception]] = {error.__name__: error for error in _REFUSALS}


class VaultAway(Problem):
    """The vault's process does not answer; nothing was derived, so asking again does no harm."""

    def __init__(self) -> None:
        super().__init__("VAULT_AWAY", seconds=COME_AGAIN_S)


class RemoteVault:
    """A town's vault behind a socket; implements ports.ProofKeys. Safe to share by threads.

    Every method raises VaultAway when no answer comes, and otherwise what cloud.vault raises.
    """

    def __init__(self, path: Path, within_s: float = WITHIN_S) -> None:
        self._path = path
        self._within_s = within_s

    @property
    def town(self) -> str:
        """The town whose keys it has."""
        return str(self._ask("town"))

    @property
    def public_keys(self) -> dict[int, bytes]:
        """{epoch: X25519 key}"""
        return dict(self._ask("public_keys"))

    def proof_key(self, lock: LockKey, raw_token: bytes) -> bytes:
        """The key that proves possession of a token."""
        return bytes(self._ask("proof_key", *astuple(lock), raw_token))

    def wrap_proof_key(self, lock: LockKey, raw_token: bytes, device_key: bytes) -> WrappedKey:
        """The same, for one device alone."""
        return WrappedKey(*self._ask("wrap_proof_key", *astuple(lock), raw_token, device_key))

    def open_parcel(self, lock: LockKey, raw_parcel: bytes, seal: bytes) -> list[bytes]:
        """The raw records in a parcel."""
        return list(self._ask("open_parcel", *astuple(lock), raw_parcel, seal))

    def pin(self, lock: LockKey, epoch: int, order: PinOrder) -> str:
        """The ten digits."""
        return str(self._ask("pin", *astuple(lock), epoch, *astuple(order)))

    def relay_tickets(self, bound_to: bytes) -> list[str]:
        """One for each live epoch, the newest first."""
        return list(self._ask("relay_tickets", bound_to))

    def _ask(self, what: str, *facts: Any) -> Any:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._within_s)
                connection.connect(str(self._path))
                _send(connection, [what, *facts])
                outcome, value = _receive(connection)
        except (OSError, ValueError) as error:  # CborError is a ValueError
            log.error("the vault does not answer: %s", error)
            raise VaultAway from None
        if outcome in _ERRORS:
            raise _ERRORS[outcome](value)
        return value


def open_remote_vault(path: Path, town: str, vaults: dict[int, bytes]) -> RemoteVault:
    """The vault behind a socket, once it has shown the keys that the keyset names.

    Raises InputError when it does not answer, or is another town's or another keyset's.
    """
    remote = RemoteVault(path)
    try:
        its_town, its_keys = remote.town, remote.public_keys
    except VaultAway:
        raise InputError(
            f"no vault answers at {path}", "start it: kannuki cloud vault (with the same path)"
        ) from None
    if its_town != town:
        raise InputError(f"the vault at {path} is of the town '{its_town}'", "name another socket")
    if its_keys != vaults:
        raise InputError(
            f"the vault at {path} has other keys than the keyset", "start it again with --keys-dir"
        )
    return remote


class VaultServer(socketserver.ThreadingUnixStreamServer):
    """Answers until `shutdown`. `may_ask`: users; the socket's file is for everyone who may."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, vault: ProofKeys, town: str, may_ask: Iterable[int]) -> None:
        """Raises InputError when the socket cannot be made there."""
        self.counts: Counter[str] = Counter()
        self.operations = _operations(vault, town)
        self._may_ask = frozenset(may_ask)
        _make_way(path)
        try:
            super().__init__(str(path), _Exchange)
            path.chmod(0o666 if self._may_ask - {os.getuid()} else 0o600)
        except OSError as error:
            raise InputError(
                f"cannot listen at {path}: {error.strerror}", "name another --socket"
            ) from None

    def may_ask(self, uid: int) -> bool:
        """Whether a process of this user is answered."""
        return uid in self._may_ask

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away, or a fault of ours: the next one is answered all the same."""
        self.counts["faults"] += 1
        log.exception("an exchange failed")


class _Exchange(socketserver.BaseRequestHandler):
    server: VaultServer

    def handle(self) -> None:
        self.request.settimeout(WITHIN_S)
        _, uid, _ = _PEER.unpack(
            self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        if not self.server.may_ask(uid):
            self.server.counts["refused"] += 1
            log.warning("user %d asked and is none of those named", uid)
            return
        try:
            what, *facts = _receive(self.request)
            operation = self.server.operations[what]
        except (OSError, ValueError, KeyError, TypeError):
            self.server.counts["garbage"] += 1
            return
        self.server.counts[what] += 1
        try:
            answer = ["ok", operation(*facts)]
        except _REFUSALS as error:
            answer = [type(error).__name__, str(error)]
        _send(self.request, answer)


def _operations(vault: ProofKeys, town: str) -> dict[str, Callable[..., Any]]:
    return {
        "town": lambda: town,
        "public_keys": lambda: vault.public_keys,
        "proof_key": lambda name, key, token: vault.proof_key(LockKey(name, key), token),
        "wrap_proof_key": lambda name, key, *rest: list(
            astuple(vault.wrap_proof_key(LockKey(name, key), *rest))
        ),
        "open_parcel": lambda name, key, *rest: vault.open_parcel(LockKey(name, key), *rest),
        "pin": lambda name, key, epoch, *order: vault.pin(
            LockKey(name, key), epoch, PinOrder(*order)
        ),
        "relay_tickets": vault.relay_tickets,
    }


def _make_way(path: Path) -> None:
    """Removes the socket that a killed vault left; nothing else, and none that still answers."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise InputError(
            f"{path} is longer than a socket's name may be", f"at most {MAX_PATH_BYTES} bytes"
        )
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise InputError(f"{path} is no socket", "name another --socket")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except OSError:
        path.unlink(missing_ok=True)
        return
    raise InputError(f"a vault answers at {path} already", "stop it, or name another --socket")


def _send(connection: socket.socket, value: Any) -> None:
    raw = cbor.encode(value)
    connection.sendall(_LENGTH.pack(len(raw)) + raw)


def _receive(connection: socket.socket) -> list[Any]:
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if size > _MAX_BYTES:
        raise ValueError("longer than anything that is asked or answered")
    value = cbor.decode(_exactly(connection, size))
    if not isinstance(value, list) or not value:
        raise ValueError("no request and no answer")
    return value


def _exactly(connection: socket.socket, size: int) -> bytes:
    raw = b""
    while len(raw) < size:
        piece = connection.recv(size - len(raw))
        if not piece:
            raise ValueError("the other side ended in the middle")
        raw += piece
    return raw
