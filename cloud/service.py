"""One town's service, put together: database, clock, signers, vault.

The composition root of commands and server alike; decides nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud.clock import Clock
from cloud.credentials import Signers
from cloud.database import Database
from cloud.issuer import TokenSigner, open_issuer, open_staff_issuer, open_status_signer
from cloud.ports import ProofKeys
from cloud.vault import open_vault


@dataclass(frozen=True)
class TownService:
    """What every operation of the town needs."""

    town: str
    database: Database
    clock: Clock
    signers: Signers
    staff_issuer: TokenSigner
    vault: ProofKeys
    key_page_url: str
    random_bytes: Callable[[int], bytes] = secrets.token_bytes

    def key_link(self, secret: str) -> str:
        """The link that carries a secret where no server log sees it: behind the #."""
        return f"{self.key_page_url}#{secret}"


def open_service(
    town: str, database: Database, keys_dir: Path, clock: Clock, key_page_url: str
) -> TownService:
    """The service of `town` with the keys in `keys_dir`. Raises InputError."""
    random_bytes = secrets.token_bytes
    return TownService(
        town=town,
        database=database,
        clock=clock,
        signers=Signers(open_issuer(keys_dir, random_bytes), open_status_signer(keys_dir)),
        staff_issuer=open_staff_issuer(keys_dir, random_bytes),
        vault=open_vault(keys_dir, town),
        key_page_url=key_page_url,
    )
