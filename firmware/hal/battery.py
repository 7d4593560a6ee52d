"""The battery of a lock board: what is left of it, by its voltage.

Decides what a voltage means: four alkaline cells in series, through a divider to a third. Reads;
decides nothing else. A board on mains has PIN_BATTERY tied to ground, which reads as no battery.
"""

from machine import ADC, Pin

PIN_BATTERY = 36
ABSENT_BELOW_MV = 500
EMPTY_MV = 1400  # 4.2 V: the motor may stall
FULL_MV = 2000  # 6.0 V


class Battery:
    """The battery, or its absence."""

    def __init__(self) -> None:
        self._adc = ADC(Pin(PIN_BATTERY), atten=ADC.ATTN_11DB)

    def percent(self) -> int | None:
        """0 to 100; None where there is no battery."""
        return percent_of(self._adc.read_uv() // 1000)


def percent_of(millivolts: int) -> int | None:
    """What this many millivolts at the pin mean."""
    if millivolts < ABSENT_BELOW_MV:
        return None
    left = (millivolts - EMPTY_MV) * 100 // (FULL_MV - EMPTY_MV)
    return max(0, min(100, left))
