"""A private D-Bus bus for one simulated computer: its config, its command line, its address.

Decides where the socket is; starts nothing. A Unix socket path must be shorter than 108 bytes, and
libdbus takes no more than 99: when the folder is too deep, the socket goes to a short folder of its
own, which the caller removes by `Bus.clean_up`.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from kannuki.parts import require_program

SOCKET_PATH_BYTES = 99  # _DBUS_MAX_SUN_PATH_LENGTH of libdbus
SHORT_ROOT = "/tmp"  # noqa: S108  where no folder for temporary files is short enough
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""


@dataclass(frozen=True)
class Bus:
    """`argv` starts it in the foreground; `address` goes into DBUS_SYSTEM_BUS_ADDRESS."""

    argv: tuple[str, ...]
    address: str
    socket: Path
    short_folder: Path | None = None

    def clean_up(self) -> None:
        self.socket.unlink(missing_ok=True)
        if self.short_folder is not None:
            shutil.rmtree(self.short_folder, ignore_errors=True)


def prepare_bus(folder: Path) -> Bus:
    """Write `folder`/bus.conf and say how to start the bus. Raises MissingPart."""
    program = str(require_program("dbus-daemon"))
    folder.mkdir(parents=True, exist_ok=True)
    socket, short_folder = _socket_in(folder.resolve())
    socket.unlink(missing_ok=True)
    config = folder / "bus.conf"
    config.write_text(CONFIG.format(socket=escape(_dbus_escape(socket))), encoding="utf-8")
    argv = (program, f"--config-file={config}", "--nofork", "--nopidfile")
    return Bus(argv, f"unix:path={_dbus_escape(socket)}", socket, short_folder)


def _socket_in(folder: Path) -> tuple[Path, Path | None]:
    socket = folder / "bus.sock"
    if _fits(socket):
        return socket, None
    deep = not _fits(Path(tempfile.gettempdir()) / "kannuki-bus-12345678" / "bus.sock")
    short_folder = Path(tempfile.mkdtemp(prefix="kannuki-bus-", dir=SHORT_ROOT if deep else None))
    return short_folder / "bus.sock", short_folder


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= SOCKET_PATH_BYTES


def _dbus_escape(path: Path) -> str:
    """D-Bus specification, "Server Addresses": other bytes are written %xx."""
    plain = b"-_/.\\*abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(chr(b) if b in plain else f"%{b:02x}" for b in os.fsencode(path))
