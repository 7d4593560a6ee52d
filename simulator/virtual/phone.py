"""A phone beside a virtual lock: whole messages, as simulator/phone/ble.py, under virtual time.

Decides how long to wait, nothing else. Its coroutines never wait for anything real: waiting lets
virtual time pass, so they can be run without a loop (`run_now`).
"""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from protocol import frames
from protocol.frames import FrameError
from simulator.phone.opening import TransportError
from simulator.virtual.air import VirtualAir
from simulator.virtual.clock import VirtualTime

CONNECT_WITHIN_MS = 18_000
ANSWER_WITHIN_MS = 8000

_T = TypeVar("_T")


class VirtualRadioError(TransportError):
    """UNREACHABLE (no lock, no link) or TIMEOUT (no answer)."""


class VirtualLink:
    """One connection to one lock; use as an async context manager."""

    def __init__(self, time: VirtualTime, air: VirtualAir, lock_id: str) -> None:
        self._time = time
        self._air = air
        self._lock_id = lock_id
        self._max_fragment = 0
        self._is_down = False
        self._reassembler = frames.Reassembler()
        self._inbox: list[bytes] = []

    async def __aenter__(self) -> VirtualLink:
        self._contact = self._air.connect(self._lock_id, self)
        self._time.until(lambda: self._max_fragment or self._is_down, CONNECT_WITHIN_MS)
        self._check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._air.hang_up(self._contact)
        self._time.until(lambda: self._is_down, ANSWER_WITHIN_MS)

    async def send(self, message: bytes) -> None:
        """Write one whole message. Raises VirtualRadioError."""
        self._check()
        for fragment in frames.fragment(message, self._max_fragment):
            self._air.send(self._contact, fragment)

    async def receive(self) -> bytes:
        """The lock's next whole message. Raises VirtualRadioError."""
        self._time.until(lambda: self._inbox or self._is_down, ANSWER_WITHIN_MS)
        if self._inbox:
            return self._inbox.pop(0)
        self._check()
        raise VirtualRadioError("TIMEOUT")

    def _check(self) -> None:
        if self._is_down or not self._max_fragment:
            raise VirtualRadioError("UNREACHABLE")

    # --- simulator.virtual.air.Central ---

    def up(self, max_fragment: int) -> None:
        self._max_fragment = max_fragment

    def received(self, fragment: bytes) -> None:
        try:
            message = self._reassembler.push(fragment)
        except FrameError:
            return
        if message is not None:
            self._inbox.append(message)

    def down(self, why: str) -> None:
        self._is_down = True


def run_now(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine that waits for nothing real. Raises RuntimeError when it does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("something waited for real time in a virtual town")
