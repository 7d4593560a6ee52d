"""A chip with a serial keypad: says G when its port behaves as a port does, else what went wrong.

First it reads too late for its small buffer, then it listens and speaks at another speed.
"""

import time

import machine

PINS = {"tx": 17, "rx": 16}


def wait_for(uart, count):
    while uart.any() < count:
        time.sleep_ms(5)
    time.sleep_ms(200)  # the rest of what was typed comes meanwhile


def reads_what_the_buffer_held():
    uart = machine.UART(1, 9600, rxbuf=4, **PINS)
    nothing = uart.read(1)
    wait_for(uart, 4)
    return (nothing, uart.read(3), uart.read(), uart.read()) == (None, b"123", b"4", None)


def is_deaf_and_dumb_at_another_speed():
    uart = machine.UART(1, baudrate=115200, **PINS)
    uart.write(b"K")
    time.sleep_ms(600)
    return uart.any() == 0


def has_no_port(number):
    try:
        machine.UART(number, 9600, **PINS)
    except ValueError:
        return True
    return False


passed = has_no_port(0) and has_no_port(3) and reads_what_the_buffer_held()
machine.UART(1, 9600, **PINS).write(b"G" if passed else b"R")
passed = is_deaf_and_dumb_at_another_speed()
uart = machine.UART(1, 9600, **PINS)
uart.write(b"W" if passed else b"R")
while True:
    wait_for(uart, 1)
