"""Everything that signs for the town's daily work, as operations hand it on. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.ports import DocumentSigner, Issuer


@dataclass(frozen=True)
class Signers:
    """Who signs tokens, status lists, configurations and acknowledgements.

    epochs: the vault's live ones, ascending; keyset_version: the keyset that names them all.
    """

    issuer: Issuer
    status: DocumentSigner
    config: DocumentSigner
    ack: DocumentSigner
    epochs: tuple[int, ...]
    keyset_version: int
