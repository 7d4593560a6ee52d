"""The D-Bus side of the simulated `org.bluez`: a tree of objects, signals, method dispatch.

Knows nothing of Bluetooth. Methods are looked up by (interface, member); a refusal is a
`BluezError` and becomes a D-Bus error with its name; anything else raised is our bug and is
answered as org.bluez.Error.Failed, with a trace in the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
NO_REPLY_EXPECTED = 1

Interfaces = dict[str, dict[str, Variant]]
Answer = tuple[str, list[Any]] | None
Method = Callable[[Message], Awaitable[Answer]]


class BluezError(Exception):
    """`BluezError("InProgress")` is answered as org.bluez.Error.InProgress."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(text or name)
        self.name = name if "." in name else f"org.bluez.Error.{name}"


class Tree:
    """Objects that answer calls and announce their changes on one bus."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._objects: dict[str, Interfaces] = {}
        self._methods: dict[tuple[str, str], Method] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._on_message)

    # --- objects

    def __contains__(self, path: str) -> bool:
        return path in self._objects

    def get(self, path: str, interface: str) -> dict[str, Variant]:
        return self._objects[path][interface]

    def add(self, path: str, interfaces: Interfaces) -> None:
        self._objects[path] = interfaces
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path: str) -> None:
        interfaces = list(self._objects.pop(path))
        self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, interfaces])

    def remove_below(self, path: str) -> list[str]:
        below = sorted(
            (each for each in self._objects if each.startswith(path + "/")), reverse=True
        )
        for each in below:
            self.remove(each)
        return below

    def set(self, path: str, interface: str, **values: Variant) -> None:
        if path in self._objects:
            self._objects[path][interface].update(values)
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, values, []])

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list) -> None:
        signal = Message(
            message_type=MessageType.SIGNAL,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
        )
        if self._bus.connected:
            self._bus.send(signal)

    # --- calls

    def method(self, interface: str, member: str, method: Method) -> None:
        self._methods[interface, member] = method

    def _on_message(self, message: Message) -> bool | None:
        if message.message_type != MessageType.METHOD_CALL:
            return None
        task = asyncio.get_running_loop().create_task(self._serve(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _serve(self, message: Message) -> None:
        try:
            signature, body = await self._call(message) or ("", [])
            reply = Message.new_method_return(message, signature, body)
        except BluezError as error:
            reply = Message.new_error(message, error.name, str(error))
        except Exception as error:
            log.exception("%s.%s failed", message.interface, message.member)
            reply = Message.new_error(message, "org.bluez.Error.Failed", repr(error))
        if self._bus.connected and not message.flags.value & NO_REPLY_EXPECTED:
            self._bus.send(reply)

    async def _call(self, message: Message) -> Answer:
        if message.interface == OBJECT_MANAGER and message.member == "GetManagedObjects":
            return "a{oa{sa{sv}}}", [self._objects]
        if message.interface == INTROSPECTABLE:
            return "s", ["<node/>"]
        if message.path not in self._objects:
            raise BluezError("org.freedesktop.DBus.Error.UnknownObject", message.path or "")
        if message.interface == PROPERTIES:
            return self._properties(message)
        method = self._methods.get((message.interface or "", message.member or ""))
        if method is None:
            what = f"{message.interface}.{message.member}"
            raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", what)
        return await method(message)

    def _properties(self, message: Message) -> Answer:
        interfaces = self._objects[message.path or ""]
        values = interfaces.get(message.body[0])
        if values is None:
            raise BluezError("org.freedesktop.DBus.Error.UnknownInterface", message.body[0])
        if message.member == "GetAll":
            return "a{sv}", [values]
        if message.member == "Get":
            return "v", [_property(values, message.body[1])]
        if message.member == "Set":
            _property(values, message.body[1])
            self.set(message.path or "", message.body[0], **{message.body[1]: message.body[2]})
            return None
        raise BluezError("org.freedesktop.DBus.Error.UnknownMethod", message.member or "")


def _property(values: dict[str, Variant], name: str) -> Variant:
    if name not in values:
        raise BluezError("org.freedesktop.DBus.Error.UnknownProperty", name)
    return values[name]
