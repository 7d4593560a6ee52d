"""Keeps what Home Assistant is told in step with the gateway file, across restarts.

Decides what is taken back: a topic is written to a ledger beside the events before anything is
retained on it, so that whatever this gateway ever announced and no longer has (a lock moved to
another gateway, another prefix, discovery switched off) is emptied at the next connection.
Invariant: nothing of ours is retained at the broker that the ledger does not name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from gateway.health.discovery import Announcement
from kannuki.errors import KannukiError
from kannuki.settings import write_file_whole

log = logging.getLogger(__name__)

LEDGER_NAME = "home-assistant.json"

Retain = Callable[[str, bytes], Awaitable[None]]


class Ledger:
    """The topics on which something may be retained."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def topics(self) -> set[str]:
        """Empty where there is no ledger, or one that is not ours."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return set()
        return {topic for topic in found if isinstance(topic, str)} if _is_list(found) else set()

    def keep(self, topics: Iterable[str]) -> None:
        """Raises InputError when the disk will not have it."""
        text = json.dumps(sorted(topics), indent=0)
        if topics or self._path.exists():
            write_file_whole(self._path, text.encode())


async def announce(wanted: Iterable[Announcement], ledger: Ledger, retain: Retain) -> None:
    """Empties what is no longer wanted, then retains what is. `retain` says one, acknowledged."""
    new = {each.topic: each.payload for each in wanted}
    known = ledger.topics()
    if not new and not known:
        return
    try:
        if not new.keys() <= known:
            ledger.keep(known | new.keys())
        for topic in sorted(known - new.keys()):
            await retain(topic, b"")
        for topic, payload in new.items():
            await retain(topic, payload)
        if known - new.keys():
            ledger.keep(new.keys())
    except KannukiError as error:
        log.warning("Home Assistant is not told everything: %s", error)


def _is_list(value: object) -> bool:
    return isinstance(value, list)
