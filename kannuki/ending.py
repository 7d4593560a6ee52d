"""Runs a program's coroutine, and comes to an end when that has.

Decides that nothing left behind keeps the process: asyncio.run waits for every cancelled task, and
one that waits for a Bluetooth service or a D-Bus that hangs never ends. Only for programs whose
lasting data is safe at every moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


def run_bounded(main: Coroutine[Any, Any, T], leave_within_s: float) -> T:
    """As asyncio.run, but at the end other tasks have `leave_within_s` and no more."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(_leave(leave_within_s))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _leave(within_s: float) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return
    ended, stuck = await asyncio.wait(others, timeout=within_s)
    for task in ended:
        if not task.cancelled() and task.exception() is not None:
            log.warning("failed at the end: %s: %r", task.get_name(), task.exception())
    for task in stuck:
        log.warning("left behind at the end: %s", task.get_name())
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # said it
