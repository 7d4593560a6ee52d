"""Time that moves only when told: what is due later, and what happens at every step.

Decides the order of things: first what was put off until now, in the order in which it was put off,
then every stepper in turn. No thread, no loop of asyncio, no clock of the PC.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

STEP_MS = 10


class VirtualTime:
    """`ms` since the beginning; never runs backwards."""

    def __init__(self) -> None:
        self.ms = 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._steppers: list[Callable[[], None]] = []

    def after(self, delay_ms: int, work: Callable[[], None]) -> None:
        """Have `work` done once, `delay_ms` from now (at the step that reaches it)."""
        heapq.heappush(self._later, (self.ms + delay_ms, next(self._order), work))

    def at_every_step(self, work: Callable[[], None]) -> None:
        """Have `work` done at every step from now on."""
        self._steppers.append(work)

    def advance(self, ms: int) -> None:
        """Let this much time pass, in steps of STEP_MS."""
        for _ in range(0, ms, STEP_MS):
            self.ms += STEP_MS
            while self._later and self._later[0][0] <= self.ms:
                heapq.heappop(self._later)[2]()
            for work in self._steppers:
                work()

    def until(self, condition: Callable[[], object], within_ms: int) -> bool:
        """Let time pass until something is so; False when it was not so in time."""
        ends_at = self.ms + within_ms
        while not condition():
            if self.ms >= ends_at:
                return False
            self.advance(STEP_MS)
        return True
