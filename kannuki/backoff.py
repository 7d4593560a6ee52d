"""How long to wait before trying again. Pure.

The caller counts failures, draws the random number and sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Doubling delays from `first_s` to `max_s`.

    `spread` (0..1) is the share of a delay that chance may take away, so that a hundred gateways do
    not come back in the same instant (1: full jitter); never less than `least_s` is left. A run of
    `healthy_after_s` makes the next failure a first.
    """

    first_s: float = 0.2
    max_s: float = 10.0
    spread: float = 0.5
    healthy_after_s: float = 30.0
    least_s: float = 0.0

    def delay_s(self, failures: int, chance: float) -> float:
        """Seconds to wait after the n-th failure in a row (1 is the first); chance in [0, 1)."""
        doublings = min(max(failures, 1) - 1, 32)
        whole = min(self.max_s, self.first_s * 2**doublings)
        return max(min(self.least_s, whole), whole * (1 - self.spread * chance))

    def failures_after(self, failures: int, ran_s: float) -> int:
        """The count of failures in a row after one more, that came `ran_s` after the start."""
        return 1 if ran_s >= self.healthy_after_s else failures + 1
