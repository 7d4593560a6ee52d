"""One town's service, put together: database, clock, signers, vault, keyset.

The composition root of commands and server alike; decides nothing else. It holds no root key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud import keysets
from cloud.clock import Clock
from cloud.database import TownDatabase
from cloud.issuer import open_issuer, open_signer
from cloud.keysets import SignedKeyset
from cloud.ports import DocumentSigner, Issuer, ProofKeys
from cloud.signers import Signers
from cloud.vault import open_vault
from cloud.vault_socket import open_remote_vault
from kannuki.errors import InputError

TIME_ERROR_S = 2


@dataclass(frozen=True)
class TownService:
    """What every operation of the town needs. `time_error_s`: how wrong `clock` may be."""

    town: str
    database: TownDatabase
    clock: Clock
    signers: Signers
    gateway_issuer: Issuer
    staff_issuer: Issuer
    time_signer: DocumentSigner
    vault: ProofKeys
    keyset: SignedKeyset
    key_page_url: str
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    time_error_s: int = TIME_ERROR_S
    sends_mail: bool = False  # whether key links go out by mail
    mail_pins: bool = False  # whether letters name the number for the keypad

    def key_link(self, secret: str) -> str:
        """The link that carries a secret where no server log sees it: behind the #."""
        return f"{self.key_page_url}#{secret}"


def open_service(
    town: str,
    database: TownDatabase,
    keys_dir: Path,
    clock: Clock,
    key_page_url: str,
    vault_socket: Path | None = None,
) -> TownService:
    """The service of `town` with the keys and the keyset in `keys_dir`. Raises InputError.

    With `vault_socket` the vault is another process, and its keys need not be (and for a town
    should not be) in `keys_dir`.
    """
    random_bytes = secrets.token_bytes
    keyset = _open_keyset(keys_dir, town)
    return TownService(
        town=town,
        database=database,
        clock=clock,
        signers=Signers(
            issuer=open_issuer(keys_dir, random_bytes),
            status=open_signer(keys_dir, "status"),
            config=open_signer(keys_dir, "config"),
            ack=open_signer(keys_dir, "ack"),
            epochs=tuple(sorted(keyset.keyset.vaults)),
            keyset_version=keyset.keyset.version,
        ),
        gateway_issuer=open_issuer(keys_dir, random_bytes, "gateway-issuer"),
        staff_issuer=open_issuer(keys_dir, random_bytes, "staff-issuer"),
        time_signer=open_signer(keys_dir, "time"),
        vault=_vault(keys_dir, town, keyset, vault_socket),
        keyset=keyset,
        key_page_url=key_page_url,
    )


def _vault(keys_dir: Path, town: str, keyset: SignedKeyset, path: Path | None) -> ProofKeys:
    vaults = keyset.keyset.vaults
    return open_remote_vault(path, town, vaults) if path else open_vault(keys_dir, town, vaults)


def _open_keyset(keys_dir: Path, town: str) -> SignedKeyset:
    path = keys_dir / keysets.FILE_NAME
    signed = keysets.read_file(path)
    if signed.keyset.town != town:
        raise InputError(
            f"{path} is of the town '{signed.keyset.town}'", f"use --town {signed.keyset.town}"
        )
    keysets.check_keys(keys_dir, signed.keyset)
    return signed
