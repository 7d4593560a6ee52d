"""One evening at one door, written once for every depth.

Decides what happens at which second and what each person must be told; the records that come home
must then say the same at every depth, all but the second within a step: a lock's time is an
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
STEP_S = 60

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
    answers: list[tuple[int, str, str]] = field(default_factory=list)  # (second, who, code)
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
        self._second = 0
        self._a = self._right("A", -HOUR_S, 330)
        self._b = self._right("B", -HOUR_S, HOUR_S)
        self._c = self._right("C", -HOUR_S, HOUR_S)
        self._d = self._right("D", HOUR_S, 2 * HOUR_S)

    async def tell(self) -> Told:
        """The whole evening. Raises DepthError when the town fails."""
        depth = self._depth
        await self._at(60)
        await self._near("A", self._a)
        await depth.walk_through()
        await depth.rest()
        await self._at(120)
        await self._near("D", self._d)
        await self._at(180)
        await self._by_relay("B", self._b)
        await depth.rest()
        await self._withdraw_c()
        await self._at(300)
        await depth.power_cut()
        await self._at(360)
        await self._near("A", self._a)
        await self._at(420)
        await depth.exit_by_button()
        await depth.rest()
        self._told.records = depth.records()
        self._told.faults = depth.home.faults
        return self._told

    async def _withdraw_c(self) -> None:
        await self._at(240)
        await self._depth.deliver_status_list(1, [(_CTI["C"], T0 + HOUR_S)])
        await self._near("C", self._c)

    async def _at(self, second: int) -> None:
        self._second = second
        await self._depth.set_clock(T0 + second)

    async def _near(self, who: str, credential: Credential) -> None:
        self._note(who, await self._depth.present_near(credential))

    async def _by_relay(self, who: str, credential: Credential) -> None:
        self._note(who, await self._depth.present_by_relay(credential))

    def _note(self, who: str, result: Result) -> None:
        code = result.code if result.authentic else f"unproven {result.code}"
        self._told.answers.append((self._second, who, code))

    def _right(self, who: str, begins: int, ends: int) -> Credential:
        return self._depth.credential(_CTI[who], T0 + begins, T0 + ends, RESIDENT)


EXPECTED_ANSWERS = [
    (60, "A", "OPENED"),
    (120, "D", "NOT_YET_VALID"),
    (180, "B", "OPENED"),
    (240, "C", "REVOKED"),
    (360, "A", "EXPIRED"),
]
