"""How often one client may ask: token buckets in memory.

Decides when somebody has asked too often and how long they have to wait. Who a client is (address,
credential) the caller says. Bounded: the buckets that are full again are forgotten first, and under
a flood of new clients the oldest go, never the limit itself.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cloud.problems import Problem

MAX_BUCKETS = 20_000


@dataclass(frozen=True)
class Rule:
    """`burst` requests at once, and then one every `every_s` seconds."""

    name: str
    burst: int
    every_s: float


# A family behind one address opens doors at will; a guesser gets a few hundred tries a day.
READ = Rule("read", 240, 0.25)
WRITE = Rule("write", 60, 1.0)
SECRET = Rule("secret", 20, 15.0)  # whatever a secret could be guessed with
SIGN_IN = Rule("sign-in", 20, 15.0)
MAIL = Rule("mail", 5, 600.0)  # whatever sends mail to somebody


class Limiter:
    """Every bucket of one process. `monotonic` gives seconds that never jump."""

    def __init__(self, monotonic: Callable[[], float], factor: float = 1.0) -> None:
        """`factor` widens every burst (a load test of ours; 0 switches limits off)."""
        self._monotonic = monotonic
        self._factor = factor
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def take(self, rule: Rule, client: str) -> None:
        """Counts one request. Raises Problem TOO_MANY."""
        if self._factor == 0:
            return
        now, key = self._monotonic(), (rule.name, client)
        full_at = max(self._full_at.get(key, now), now) + rule.every_s
        too_many_by = full_at - now - rule.burst * self._factor * rule.every_s
        if too_many_by > 0:
            raise Problem("TOO_MANY", seconds=math.ceil(too_many_by))
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        self._forget(now)

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        while self._full_at:
            oldest = next(iter(self._full_at.values()))
            if oldest > now and len(self._full_at) <= MAX_BUCKETS:
                return
            self._full_at.popitem(last=False)
