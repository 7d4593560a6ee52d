"""What the machine knows at an instant, for metrics and for whoever asks how it is.

Decides nothing. Holds no key, no token, and nothing that a resident said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kannuki.messages import LockState


@dataclass(frozen=True)
class Survey:
    """`locks`: what each of our locks last said, None before its first word.

    `is_storing`: whether the disk answers and takes what comes. While it does not answer,
    `waiting_events` and `oldest_number` (of the first event in the outbox) are None.
    """

    is_online: bool
    is_storing: bool
    links_for_residents: int
    links_for_housekeeping: int
    max_links: int
    waiting_events: int | None
    oldest_number: int | None
    locks: Mapping[str, LockState | None]
    counts: Mapping[str, int]
