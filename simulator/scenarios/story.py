"""One evening at one door, written once for every depth.

Decides what happens, in which order, and what each person must be told; the records that come home
must then say the same at every depth, all but the second: time runs, and a lock's time is an
interval that honestly depends on how long things took. Tokens have fixed ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol import audit, token
from protocol.holder import Credential
from simulator.phone.opening import Result
from simulator.scenarios.depth import Depth
from simulator.town_keys import RESIDENT

LOCK_ID = "scenario"
T0 = 1_796_115_600  # 2026-12-01 18:00 in Tokyo
HOUR_S = 3600
DOUBT_S = 10  # more than a lock of this evening doubts
A_ENDS_S = 45  # A's right ends while the evening goes on

WHO = {
    b"person-A": "A",
    b"person-B": "B",
    b"person-C": "C",
    b"person-D": "D",
}
_CTI = {letter: cti for cti, letter in WHO.items()}
assert all(len(cti) == token.CTI_BYTES for cti in WHO)


@dataclass
class Told:
    """What came of a scenario: the answers people got, the records that came home."""

    depth: str
    answers: list[tuple[str, str]] = field(default_factory=list)  # (who, code)
    records: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def decoded(self) -> list[audit.Record]:
        """The records, their chain checked from its beginning. Raises AuditError."""
        return audit.check_run(self.records, 1, audit.genesis(LOCK_ID, 1))[0]


class Story:
    """Run it once: `await Story(depth).tell()`."""

    def __init__(self, depth: Depth) -> None:
        self._depth = depth
        self._told = Told(depth.name)
        self._a = self._right("A", -HOUR_S, A_ENDS_S)
        self._b = self._right("B", -HOUR_S, HOUR_S)
        self._c = self._right("C", -HOUR_S, HOUR_S)
        self._d = self._right("D", HOUR_S, 2 * HOUR_S)

    async def tell(self) -> Told:
        """The whole evening. Raises DepthError when the town fails."""
        depth = self._depth
        await self._near("A", self._a)
        await depth.walk_through()
        await depth.rest()
        await self._near("D", self._d)
        await self._by_relay("B", self._b)
        await depth.rest()
        await self._withdraw_c()
        await depth.power_cut()
        await depth.need(lambda: depth.wall_s() > T0 + A_ENDS_S + DOUBT_S, "the end of A's right")
        await self._near("A", self._a)
        await depth.exit_by_button()
        await depth.rest()
        self._told.records = depth.records()
        self._told.faults = depth.home.faults
        return self._told

    async def _withdraw_c(self) -> None:
        await self._depth.deliver_status_list(1, [(_CTI["C"], T0 + HOUR_S)])
        await self._near("C", self._c)

    async def _near(self, who: str, credential: Credential) -> None:
        self._note(who, await self._depth.present_near(credential))

    async def _by_relay(self, who: str, credential: Credential) -> None:
        self._note(who, await self._depth.present_by_relay(credential))

    def _note(self, who: str, result: Result) -> None:
        code = result.code if result.authentic else f"unproven {result.code}"
        self._told.answers.append((who, code))

    def _right(self, who: str, begins: int, ends: int) -> Credential:
        return self._depth.credential(_CTI[who], T0 + begins, T0 + ends, RESIDENT)


EXPECTED_ANSWERS = [
    ("A", "OPENED"),
    ("D", "NOT_YET_VALID"),
    ("B", "OPENED"),
    ("C", "REVOKED"),
    ("A", "EXPIRED"),
]
