"""A small MicroPython peripheral for the radio tests: echoes writes as notifications.

E... echoes; N<n> sends n bytes; P<pin>=<0|1> drives a pin; I reads all inputs; T the clock;
S<text> stores text in /kept, G gets it back; R resets; X hangs up; K hangs without answering.
"""

import asyncio
import gc
import os
import time

import bluetooth
import machine

SERVICE = bluetooth.UUID("6e400001-b5a3-f393-e0a9-e50e24dcca9e")
WRITE = bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE
RX = (bluetooth.UUID("6e400002-b5a3-f393-e0a9-e50e24dcca9e"), WRITE)
TX = (
    bluetooth.UUID("6e400003-b5a3-f393-e0a9-e50e24dcca9e"),
    bluetooth.FLAG_NOTIFY | bluetooth.FLAG_READ,
)
NAME = b"ECHO"

ble = bluetooth.BLE()
ble.config(gap_name="ECHO", mtu=247)
ble.active(True)
((rx, tx),) = ble.gatts_register_services(((SERVICE, (RX, TX)),))
ble.gatts_set_buffer(rx, 512)
rtc = machine.RTC()
work = []
wake = asyncio.ThreadSafeFlag()
events = []
held = []


def note(what):
    if len(events) == 20:
        events.pop(0)
    events.append(what)


def advertise():
    data = b"\x02\x01\x06" + bytes([17, 7]) + bytes(SERVICE)
    ble.gap_advertise(50000, data, resp_data=bytes([len(NAME) + 1, 9]) + NAME)


def again():
    try:
        advertise()
    except OSError as error:
        note(f"adv{error.errno}")


def irq(event, data):
    if event in (1, 2):
        note(f"{event}:{data[0]}")
        again()
    elif event == 21:
        note(f"mtu:{data[1]}")
    elif event == 4:
        if held:
            time.sleep_ms(held.pop())
    elif event == 3:
        work.append((data[0], ble.gatts_read(data[1])))
        wake.set()


def pins():
    return b",".join(
        b"%d=%d" % (p, machine.Pin(p, machine.Pin.IN).value()) for p in (32, 33, 34, 35, 39)
    )


def store(text):
    with open("/kept", "wb") as file:
        file.write(text)
    return b"stored"


def kept():
    with open("/kept", "rb") as file:
        return file.read()


def answer(link, text):
    kind, rest = text[:1], text[1:]
    if kind == b"E":
        return text
    if kind == b"N":
        return b"n" * int(rest)
    if kind == b"P":
        pin, level = rest.split(b"=")
        machine.Pin(int(pin), machine.Pin.OUT).value(int(level))
        return b"ok"
    if kind == b"I":
        return pins()
    if kind == b"T":
        if rest:
            rtc.datetime(tuple(int(part) for part in rest.split(b",")))
        return ",".join(str(part) for part in rtc.datetime()).encode()
    if kind == b"S":
        return store(rest)
    if kind == b"G":
        return kept()
    if kind == b"V":
        return " ".join(events).encode()
    if kind == b"C":
        return b"%d" % machine.reset_cause()
    if kind == b"L":
        return repr(sorted(os.listdir("/"))).encode()
    if kind == b"M":
        gc.collect()
        return b"%d" % gc.mem_free()
    if kind == b"R":
        machine.reset()
    if kind == b"K":
        held.append(int(rest))
        return b"held"
    if kind == b"X":
        ble.gap_disconnect(link)
    return None


async def main():
    while True:
        await wake.wait()
        while work:
            link, text = work.pop(0)
            reply = answer(link, text)
            if reply is not None:
                ble.gatts_notify(link, tx, reply)


ble.irq(irq)
advertise()
asyncio.run(main())
