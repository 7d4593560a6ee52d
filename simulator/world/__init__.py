"""The simulated physical world: air, boards, doors and time in one process.

`python -m simulator.world` starts it; `simulator.world.control` describes its HTTP interface.
"""

from simulator.world.clock import WorldClock
from simulator.world.rig import Happening, Rig, Town

__all__ = ["Happening", "Rig", "Town", "WorldClock"]
