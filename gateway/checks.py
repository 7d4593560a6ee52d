"""Whether this computer is fit to be a gateway: file, folder, broker, Bluetooth. `gateway check`.

Decides what is looked at and what a person is told to do about it. Changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import files
from kannuki.enrolment import FileError

WITHIN_S = 5.0


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


async def check(gateway_file: Path, host: str, port: int, data_dir: Path) -> list[Finding]:
    """All findings, in the order in which to repair them."""
    return [
        _check_file(gateway_file),
        _check_folder(data_dir),
        await _within("broker", lambda: _reach_broker(host, port), f"is MQTT on {host}:{port}?"),
        await _within("bluetooth", _reach_adapter, "is bluetoothd running and the radio on?"),
    ]


def _check_file(path: Path) -> Finding:
    try:
        place = files.read_place(path)
    except FileError as error:
        return Finding("file", False, str(error), "get the gateway's file from the town's service")
    if path.stat().st_mode & 0o077:
        return Finding("file", False, f"{path} can be read by others", f"chmod 600 {path}")
    locks = len(place.credentials)
    return Finding("file", True, f"{place.gateway_id} of {place.town}, {locks} locks")


def _check_folder(path: Path) -> Finding:
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data", False, f"cannot write to {path}", "name another --data-dir")
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(bytes(65536))
    except OSError as error:
        text = f"cannot write to {path}: {error.strerror}"
        return Finding("data", False, text, "free some space")
    return Finding("data", True, f"{path} can be written")


async def _within(name: str, probe: Callable[[], Awaitable[str]], remedy: str) -> Finding:
    """A probe may fail in any way its library knows; each is a finding, not a fault of ours."""
    task = asyncio.ensure_future(probe())
    done, _ = await asyncio.wait({task}, timeout=WITHIN_S)
    if not done:
        task.cancel()
        return Finding(name, False, f"no answer within {WITHIN_S:.0f} s", remedy)
    error = task.exception()
    if error is not None:
        return Finding(name, False, f"no {name} here ({type(error).__name__}: {error})", remedy)
    return Finding(name, True, task.result())


async def _reach_broker(host: str, port: int) -> str:
    import aiomqtt

    async with aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion.V5, timeout=WITHIN_S):
        return f"a broker answers on {host}:{port}"


async def _reach_adapter() -> str:
    from bleak import BleakScanner

    async with BleakScanner():
        return "the Bluetooth adapter can scan"
