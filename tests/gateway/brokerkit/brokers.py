"""A real Mosquitto on a configuration that the kit wrote, and the people of two towns."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.brokerkit.kit import Kit, Wishes
from kannuki import child
from kannuki.settings import free_port
from tests.gateway.brokerkit.wire import Wire, open_wire, tls

GATEWAYS = {"gw-1": ["lockaaaa"], "gw-2": ["lockbbbb", "lockcccc"]}
READY_WITHIN_S = 20.0


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def kit_of(folder: Path, now: int | None = None) -> Kit:
    return Kit(folder, int(time.time()) if now is None else now, os.urandom, new_key)


class Broker:
    """A folder that the broker's user can enter (no private TMPDIR), and Mosquitto on it."""

    def __init__(self, towns: Sequence[str] = ("misaki", "kanata")) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="kannuki-broker-", dir="/tmp"))
        self.root.chmod(0o755)
        self.ports: dict[str, int] = {}
        for town in towns:
            self.ports[town] = free_port()
            wishes = Wishes(
                hosts=["127.0.0.1"], port=self.ports[town], address="127.0.0.1", gateways=GATEWAYS
            )
            self.kit.set_up(town, wishes, [])
            self.kit.issue(town, "home", None, 365)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def kit(self) -> Kit:
        return kit_of(self.root)

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()

    def acl(self, town: str) -> Path:
        return self.root / "towns" / town / "acl"

    def client(self, town: str, name: str) -> Path:
        return self.root / "clients" / town / name

    def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with open(self.root / "log", "ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), program]
                + ["-c", str(self.kit.config)],
                stderr=log,
            )
        for port in self.ports.values():
            self._until(lambda port=port: _answers(port))

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            code = self._child.wait(READY_WITHIN_S)
            assert code == 0, f"the broker ended with {code}: {self.log}"
            self._child = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.root)

    async def open(self, town: str, name: str, at: str | None = None, **how: object) -> Wire:
        """Connects as TOWN.NAME, at the listener of its own town or of another."""
        context = tls(self.client(town, name), name)
        how.setdefault("client_id", f"{town}.{name}")
        return await open_wire(self.ports[at or town], context, **how)  # type: ignore[arg-type]

    def _until(self, done: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + READY_WITHIN_S
        while not done():
            assert self._child is not None and self._child.poll() is None, self.log
            assert time.monotonic() < ends_at, self.log
            time.sleep(0.02)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
