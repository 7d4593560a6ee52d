"""The world's time: the PC's plus an offset, or a fixed time that a scenario moves by hand.

Pure but for the `real_s` it is given. Doors move and sockets wait in real time either way.
"""

from collections.abc import Callable

from simulator.chip import _ops as ops


class WorldClock:
    """`real_s` returns the PC's Unix seconds."""

    def __init__(self, real_s: Callable[[], float], offset_s: float = 0.0) -> None:
        self._real_s = real_s
        self._mode, self._value = ops.CLOCK_OFFSET, offset_s

    @property
    def is_stepped(self) -> bool:
        return self._mode == ops.CLOCK_STEPPED

    def setting(self) -> tuple[int, float]:
        return self._mode, self._value

    def unix_s(self) -> float:
        return self._value if self.is_stepped else self._real_s() + self._value

    def run_with_offset(self, offset_s: float) -> None:
        self._mode, self._value = ops.CLOCK_OFFSET, offset_s

    def run_from(self, unix_s: float) -> None:
        self.run_with_offset(unix_s - self._real_s())

    def stand_at(self, unix_s: float) -> None:
        self._mode, self._value = ops.CLOCK_STEPPED, unix_s
