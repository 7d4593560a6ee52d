"""`bluetooth` of a simulated ESP32: class BLE in the peripheral role, over the board's radio.

Follows MicroPython's NimBLE port: writes longer than a characteristic's buffer are cut, so are
notifications longer than MTU - 3; the peer starts the MTU exchange; a connection stops advertising.
Not here: the central role, pairing, L2CAP, and ENOMEM when notifications come too fast.
"""

import struct

import _ops as ops
import micropython
from _link import link

FLAG_BROADCAST = micropython.const(0x0001)
FLAG_READ = micropython.const(0x0002)
FLAG_WRITE_NO_RESPONSE = micropython.const(0x0004)
FLAG_WRITE = micropython.const(0x0008)
FLAG_NOTIFY = micropython.const(0x0010)
FLAG_INDICATE = micropython.const(0x0020)

_IRQ_CENTRAL_CONNECT = micropython.const(1)
_IRQ_CENTRAL_DISCONNECT = micropython.const(2)
_IRQ_GATTS_WRITE = micropython.const(3)
_IRQ_GATTS_READ_REQUEST = micropython.const(4)
_IRQ_GATTS_INDICATE_DONE = micropython.const(20)
_IRQ_MTU_EXCHANGED = micropython.const(21)

_ENODEV = micropython.const(19)
_EINVAL = micropython.const(22)
_ADV_BYTES = micropython.const(31)


class UUID:
    def __init__(self, value: object) -> None:
        if isinstance(value, int):
            self._b = struct.pack("<H", value)
        elif isinstance(value, str):
            self._b = _uuid_bytes(value)
        else:
            self._b = bytes(value)
        if len(self._b) not in (2, 16):
            raise ValueError("invalid UUID")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UUID) and self._b == other._b

    def __hash__(self) -> int:
        return hash(self._b)

    def __bytes__(self) -> bytes:
        return self._b

    def __iter__(self):
        return iter(self._b)

    def __len__(self) -> int:
        return len(self._b)

    def __repr__(self) -> str:
        if len(self._b) == 2:
            return f"UUID(0x{self._b[1]:02x}{self._b[0]:02x})"
        digits = "".join(f"{octet:02x}" for octet in reversed(self._b))
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "UUID('" + "-".join(parts) + "')"


def _uuid_bytes(text: str) -> bytes:
    digits = text.replace("-", "")
    return bytes(int(digits[i : i + 2], 16) for i in range(len(digits) - 2, -1, -2))


class BLE:
    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = object.__new__(cls)
            cls._instance._set_up()
        return cls._instance

    def __init__(self) -> None:
        pass

    def _set_up(self) -> None:
        self._on = False
        self._irq = None
        self._mac = b""
        self._settings = {"gap_name": b"MPY ESP32", "mtu": 256, "rxbuf": 256}
        self._advertised = (b"", b"")

    # --- switching on, settings

    def active(self, on=None) -> bool:
        if on is not None and bool(on) != self._on:
            self._switch_on() if on else self._switch_off()
        return self._on

    def _switch_on(self) -> None:
        if not link.has_board():  # as during enrolment: a radio that nobody hears
            self._on = True
            return
        self._mac = link.request(ops.BLE_ON, self._settings["gap_name"])
        link.on_radio = self._event
        link.start_pump()
        self._on = True
        self._ask(ops.BLE_MTU, struct.pack(">H", self._settings["mtu"]))

    def _switch_off(self) -> None:
        if link.has_board():
            self._ask(ops.BLE_OFF)
        self._on = False
        link.on_radio = None

    def _ask(self, op: int, payload: bytes = b"") -> bytes:
        if not self._on:
            raise OSError(_ENODEV)
        return link.request(op, payload)

    def irq(self, handler) -> None:
        self._irq = handler

    def config(self, *names, **settings):
        if names:
            return self._setting(names[0])
        for name, value in settings.items():
            self._configure(name, value)

    def _setting(self, name: str) -> object:
        if name == "mac":
            if not self._on:
                raise OSError(_ENODEV)
            return (1, self._mac)
        if name not in self._settings:
            raise ValueError("unknown config param")
        return self._settings[name]

    def _configure(self, name: str, value: object) -> None:
        if name not in ("gap_name", "mtu", "rxbuf", "bond", "mitm", "io", "le_secure", "addr_mode"):
            raise ValueError("unknown config param")
        self._settings[name] = value.encode() if isinstance(value, str) else value
        if self._on and name == "mtu":
            self._ask(ops.BLE_MTU, struct.pack(">H", value))
        elif self._on and name == "gap_name":
            self._ask(ops.BLE_NAME, self._settings[name])

    # --- events

    def _event(self, op: int, payload: bytes) -> None:
        if op == ops.READ_ASKED:
            self._access(_IRQ_GATTS_READ_REQUEST, payload)
        elif op == ops.WRITTEN:
            self._access(_IRQ_GATTS_WRITE, payload)
        elif self._irq is not None:
            number, data = _as_irq(op, payload)
            if number:
                self._irq(number, data)

    def _access(self, number: int, payload: bytes) -> None:
        """Run the irq while the peer waits, as NimBLE does: no other write comes in between."""
        token, connection, handle = struct.unpack(">HHH", payload)
        refusal = 0
        try:
            if self._irq is not None:
                refusal = self._irq(number, (connection, handle)) or 0
        finally:
            link.note(ops.ACCESS_ANSWER, struct.pack(">HB", token, refusal))

    # --- GAP

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        if interval_us is None:
            self._ask(ops.BLE_ADVERTISE_STOP)
            return
        data = self._advertised[0] if adv_data is None else bytes(adv_data)
        response = self._advertised[1] if resp_data is None else bytes(resp_data)
        if len(data) > _ADV_BYTES or len(response) > _ADV_BYTES:
            raise OSError(_EINVAL)
        self._advertised = (data, response)
        head = struct.pack(">IB", interval_us, 1 if connectable else 0)
        body = bytes([len(data)]) + data + bytes([len(response)]) + response
        self._ask(ops.BLE_ADVERTISE, head + body)

    def gap_disconnect(self, connection: int) -> bool:
        try:
            self._ask(ops.BLE_DISCONNECT, struct.pack(">H", connection))
            return True
        except OSError:
            return False

    # --- GATT server

    def gatts_register_services(self, services) -> tuple:
        packed, shape = _pack_services(services)
        answer = self._ask(ops.GATTS_REGISTER, packed)
        handles = struct.unpack(f">{len(answer) // 2}H", answer)
        groups, start = [], 0
        for count in shape:
            groups.append(tuple(handles[start : start + count]))
            start += count
        return tuple(groups)

    def gatts_read(self, handle: int) -> bytes:
        return self._ask(ops.GATTS_READ, struct.pack(">H", handle))

    def gatts_write(self, handle: int, data: bytes, send_update: bool = False) -> None:
        self._ask(ops.GATTS_WRITE, struct.pack(">HB", handle, bool(send_update)) + bytes(data))

    def gatts_notify(self, connection: int, handle: int, data=None) -> None:
        self._ask(ops.GATTS_NOTIFY, _outgoing(connection, handle, data))

    def gatts_indicate(self, connection: int, handle: int, data=None) -> None:
        self._ask(ops.GATTS_INDICATE, _outgoing(connection, handle, data))

    def gatts_set_buffer(self, handle: int, size: int, append: bool = False) -> None:
        self._ask(ops.GATTS_SET_BUFFER, struct.pack(">HHB", handle, size, bool(append)))


def _outgoing(connection: int, handle: int, data: object) -> bytes:
    return struct.pack(">HHB", connection, handle, data is not None) + bytes(data or b"")


def _as_irq(op: int, payload: bytes) -> tuple:
    if op in (ops.CONNECTED, ops.DISCONNECTED):
        connection, address_type = struct.unpack(">HB", payload[:3])
        number = _IRQ_CENTRAL_CONNECT if op == ops.CONNECTED else _IRQ_CENTRAL_DISCONNECT
        return number, (connection, address_type, memoryview(payload[3:9]))
    if op == ops.MTU_EXCHANGED:
        return _IRQ_MTU_EXCHANGED, struct.unpack(">HH", payload)
    if op == ops.INDICATE_DONE:
        return _IRQ_GATTS_INDICATE_DONE, struct.unpack(">HHB", payload)
    return 0, ()


def _pack_uuid(uuid: UUID) -> bytes:
    return bytes([len(uuid)]) + bytes(uuid)


def _pack_services(services: object) -> tuple:
    """u8 services (uuid u8 chars (uuid u16 flags u8 descriptors (uuid u16 flags)*)*)*."""
    packed, shape = bytearray([len(services)]), []
    for uuid, characteristics in services:
        packed += _pack_uuid(uuid) + bytes([len(characteristics)])
        count = 0
        for characteristic in characteristics:
            descriptors = characteristic[2] if len(characteristic) > 2 else ()
            packed += _pack_uuid(characteristic[0])
            packed += struct.pack(">HB", characteristic[1], len(descriptors))
            for descriptor_uuid, flags in descriptors:
                packed += _pack_uuid(descriptor_uuid) + struct.pack(">H", flags)
            count += 1 + len(descriptors)
        shape.append(count)
    return bytes(packed), shape
