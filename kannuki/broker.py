"""A Mosquitto of our own: a child process for a laptop and for tests.

Decides its configuration: this machine only, no passwords, sessions, queues and retained state kept
in its own folder and saved at every change, so that a `kill -9` costs at most the last instant (it
acknowledges before it saves: publishers say their state again on each connection, and outboxes wait
for the receiver). Not for a town: there Mosquitto runs as a service with certificates.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kannuki.parts import require_program
from kannuki.supervisor import ChildSpec

CONFIG_NAME = "mosquitto.conf"


@dataclass(frozen=True)
class BrokerFiles:
    """Where a broker lives. `folder` is absolute and holds configuration, log and database."""

    folder: Path
    port: int

    @property
    def log(self) -> Path:
        """What the broker writes about itself."""
        return self.folder / "mosquitto.log"

    @property
    def config(self) -> Path:
        """The configuration it is started with."""
        return self.folder / CONFIG_NAME


def config_text(files: BrokerFiles, *, as_root: bool) -> str:
    """mosquitto.conf(5) for a child process.

    autosave: Mosquitto otherwise saves every half hour, and a kill loses sessions and retained
    state. set_tcp_nodelay: an acknowledgement otherwise holds the message after it back for 40 ms
    (Nagle's algorithm meets a delayed ACK). user: started by root it becomes `mosquitto` and
    cannot write its own folder.
    """
    lines = [
        f"listener {files.port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {files.folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
        "max_queued_messages 100000",
        "max_packet_size 262144",
        "set_tcp_nodelay true",
        f"log_dest file {files.log}",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
    ]
    return "\n".join(lines + (["user root"] if as_root else [])) + "\n"


def write_config(files: BrokerFiles) -> None:
    """Makes the folder (private) and writes the configuration."""
    files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.config.write_text(config_text(files, as_root=os.geteuid() == 0), encoding="utf-8")


def broker_spec(folder: Path, port: int, name: str = "broker") -> ChildSpec:
    """A supervised broker, ready when it listens. Writes its configuration.

    Raises MissingPart (exit 3) when Mosquitto is not installed.
    """
    program = require_program("mosquitto")
    files = BrokerFiles(folder.resolve(), port)
    write_config(files)
    return ChildSpec(
        name=name,
        argv=(str(program), "-c", str(files.config)),
        log=files.log,
        port=port,
        ready="port",
    )
