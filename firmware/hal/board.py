"""The pins of a lock board: two outputs for the bolt's motor, five switches, one lamp.

Reads and drives; decides nothing. The motor is off until told otherwise.
"""

from machine import Pin

from firmware.core.door import EXTEND, OFF, RETRACT, Sensors

PIN_MOTOR_EXTEND = 25
PIN_MOTOR_RETRACT = 26
PIN_LAMP = 27
PIN_BOLT_EXTENDED = 32
PIN_BOLT_RETRACTED = 33
PIN_DOOR_CLOSED = 34
PIN_EXIT_BUTTON = 35
PIN_CASE_OPEN = 39


class Board:
    """All pins of one lock."""

    def __init__(self) -> None:
        self._extend = Pin(PIN_MOTOR_EXTEND, Pin.OUT, value=0)
        self._retract = Pin(PIN_MOTOR_RETRACT, Pin.OUT, value=0)
        self._lamp = Pin(PIN_LAMP, Pin.OUT, value=0)
        self._bolt_extended = Pin(PIN_BOLT_EXTENDED, Pin.IN)
        self._bolt_retracted = Pin(PIN_BOLT_RETRACTED, Pin.IN)
        self._door_closed = Pin(PIN_DOOR_CLOSED, Pin.IN)
        self._exit_button = Pin(PIN_EXIT_BUTTON, Pin.IN)
        self._case_open = Pin(PIN_CASE_OPEN, Pin.IN)
        self._driven = OFF

    def sensors(self) -> Sensors:
        """The switches, read now."""
        return Sensors(
            self._bolt_extended.value() == 1,
            self._bolt_retracted.value() == 1,
            self._door_closed.value() == 1,
            self._exit_button.value() == 1,
            self._case_open.value() == 1,
        )

    def drive(self, direction: int) -> None:
        """Turn the motor: never both ways, and the old way is off before the new one is on."""
        if direction == self._driven:
            return
        self._extend.value(0)
        self._retract.value(0)
        self._lamp.value(0 if direction == OFF else 1)
        if direction == EXTEND:
            self._extend.value(1)
        elif direction == RETRACT:
            self._retract.value(1)
        self._driven = direction
