"""Which gateways are still heard.

Decides when one that said it would beat is missed. Wills say it sooner; but a broker that is killed
may forget one, or restore the retained word of a gateway that died meanwhile. In RAM: after a
restart the retained states bring every gateway back, and those that are alive beat again.
Invariant: silence counts only while we ourselves could hear.
"""

from __future__ import annotations

from collections.abc import Callable

from kannuki.messages import GatewayState

MISSED_AFTER_BEATS = 2.5


class Pulse:
    """`monotonic` gives seconds that never jump."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard: dict[str, tuple[float, GatewayState]] = {}

    def heard(self, gateway: str, state: GatewayState) -> None:
        """A gateway, or its will, spoke."""
        if state.online and state.beats_every_s:
            self._heard[gateway] = (self._monotonic(), state)
        else:
            self._heard.pop(gateway, None)

    def begin_anew(self) -> None:
        """We were away: nobody could be heard."""
        now = self._monotonic()
        self._heard = {gateway: (now, state) for gateway, (_, state) in self._heard.items()}

    def missed(self) -> list[tuple[str, GatewayState]]:
        """Who is not heard any more, each once, with what its will would have said."""
        now = self._monotonic()
        late = [
            gateway
            for gateway, (at, state) in self._heard.items()
            if now - at > state.beats_every_s * MISSED_AFTER_BEATS
        ]
        return [(each, _gone(self._heard.pop(each)[1])) for each in late]


def _gone(state: GatewayState) -> GatewayState:
    return GatewayState(online=False, version=state.version)
