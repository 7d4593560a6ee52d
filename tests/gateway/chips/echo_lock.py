"""A MicroPython peripheral that looks like a lock to a radio: whole messages come back as they are.

The message "bye" hangs up. Like a lock it hangs up by itself on a peer that says nothing.
"""

import asyncio

import bluetooth

from protocol import frames, gatt

SERVICE = bluetooth.UUID(gatt.SERVICE_UUID)
RX = (bluetooth.UUID(gatt.RX_UUID), bluetooth.FLAG_WRITE | bluetooth.FLAG_WRITE_NO_RESPONSE)
TX = (bluetooth.UUID(gatt.TX_UUID), bluetooth.FLAG_NOTIFY)
NAME = gatt.advertised_name("aaaaaaaa").encode()

ble = bluetooth.BLE()
ble.config(gap_name=NAME.decode(), mtu=185)
ble.active(True)
((rx, tx),) = ble.gatts_register_services(((SERVICE, (RX, TX)),))
ble.gatts_set_buffer(rx, 512, True)
work = []
wake = asyncio.ThreadSafeFlag()
incoming = {}
said = {}  # link: how many fragments


def advertise():
    data = b"\x02\x01\x06" + bytes([17, 7]) + bytes(SERVICE)
    ble.gap_advertise(50000, data, resp_data=bytes([len(NAME) + 1, 9]) + NAME)


def irq(event, data):
    if event == 1:
        incoming[data[0]] = frames.Reassembler()
        said[data[0]] = said.get(data[0], 0) + 1
    elif event == 2:
        incoming.pop(data[0], None)
        advertise()
    elif event == 3:
        work.append((data[0], ble.gatts_read(data[1])))
        wake.set()


async def answer(link, message):
    if message == b"bye":
        ble.gap_disconnect(link)
    else:
        for piece in frames.fragment(message, 100):
            ble.gatts_notify(link, tx, piece)
            await asyncio.sleep_ms(1)


async def hang_up_on_the_silent():
    while True:
        known = dict(said)
        await asyncio.sleep_ms(4000)
        for link in list(incoming):
            if said.get(link) == known.get(link):
                ble.gap_disconnect(link)


async def main():
    advertise()
    asyncio.create_task(hang_up_on_the_silent())
    while True:
        await wake.wait()
        while work:
            link, piece = work.pop(0)
            said[link] = said.get(link, 0) + 1
            message = incoming[link].push(piece) if link in incoming else None
            if message is not None:
                await answer(link, message)


ble.irq(irq)
asyncio.run(main())
