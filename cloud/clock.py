"""The town's clock as everything below the composition root sees it: a callable."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]  # Unix seconds, UTC


def system_clock(offset_s: int = 0) -> Clock:
    """This machine's clock moved by `offset_s`: the one place where the cloud reads the time."""
    return lambda: int(time.time()) + offset_s
