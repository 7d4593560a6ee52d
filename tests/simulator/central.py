"""A phone or gateway in its own process: plain bleak. `python central.py ROUNDS [hold]`.

Finds ECHO, and ROUNDS times connects, writes and waits for the echo. Prints one JSON line;
with `hold` it then keeps the link until it is killed.
"""

import asyncio
import json
import sys

from bleak import BleakClient, BleakScanner

RX = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
TX = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"


async def echo(client: BleakClient, text: bytes) -> bytes:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await client.start_notify(TX, lambda _, data: heard.put_nowait(bytes(data)))
    await client.write_gatt_char(RX, text, response=True)
    answer = await asyncio.wait_for(heard.get(), 10)
    await client.stop_notify(TX)
    return answer


async def main(rounds: int, hold: bool) -> None:
    device = await BleakScanner.find_device_by_name("ECHO", timeout=15)
    answers = []
    for number in range(rounds):
        async with BleakClient(device, timeout=15) as client:
            answers.append((await echo(client, b"E%d" % number)).decode())
            if hold:
                print(json.dumps({"address": device.address, "answers": answers}), flush=True)
                await asyncio.sleep(3600)
    print(json.dumps({"address": device.address, "answers": answers}), flush=True)


asyncio.run(main(int(sys.argv[1]), "hold" in sys.argv))
