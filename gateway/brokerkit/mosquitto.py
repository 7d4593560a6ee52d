"""What Mosquitto is told: mosquitto.conf(5) for a broker of several towns.

Decides limits and the shape of a listener; holds for Mosquitto 2.0 (2.0.11 is what Debian 12 has).
Invariant: nobody is let in without a certificate of the listener's own town, and the certificate
alone says who somebody is: user name and client id both become its common name, so that no client
can take over the session of another by naming its client id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kannuki.messages import MAX_PAYLOAD_BYTES

MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 16_384  # topic and properties
MAX_QUEUED_MESSAGES = 100_000  # the default of 1,000 drops without a word
MAX_QUEUED_BYTES = 268_435_456
MAX_KEEPALIVE_S = 60  # who asks for more is told 60; silence is noticed after 1.5 times that
SESSIONS_END_AFTER = "2m"  # months: longer than any absence that a session has to survive
# A power cut costs the broker this much: outboxes say it again. Saving at every change would write
# a long queue whole for each message in it.
AUTOSAVE_S = 60
MAX_CONNECTIONS = 2_000  # a listener: one town cannot use up what all need
_SUITES = ("AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-GCM-SHA256")
CIPHERS_TLS12 = ":".join(f"ECDHE-ECDSA-{suite}" for suite in _SUITES)


@dataclass(frozen=True)
class Listener:
    """One town's door. `folder` has ca.crt, broker.crt, broker.key, revoked.crl and acl."""

    town: str
    folder: Path
    port: int
    address: str = ""  # empty: every address of the machine


@dataclass(frozen=True)
class Broker:
    """What all towns share."""

    data_dir: Path
    user: str


def pid_file(broker: Broker) -> Path:
    """Where the running broker says who it is."""
    return broker.data_dir / "mosquitto.pid"


def config_text(broker: Broker, listeners: Sequence[Listener]) -> str:
    """The whole file, the same for the same settings."""
    parts = [_head(broker, several=len(listeners) > 1)]
    parts += [_listener(one) for one in sorted(listeners, key=lambda one: one.town)]
    return "\n".join(parts)


def _head(broker: Broker, *, several: bool) -> str:
    """per_listener_settings: with one town both ways mean the same, but from 2.0.12 on Mosquitto
    queues nothing for absent clients where it is true (eclipse-mosquitto/mosquitto#2618)."""
    lines = [
        "# Written by `kannuki gateway broker-config`: do not edit, it is written anew.",
        f"per_listener_settings {'true' if several else 'false'}",
        f"user {broker.user}",
        f"pid_file {pid_file(broker)}",
        "",
        "persistence true",
        f"persistence_location {broker.data_dir}/",
        f"autosave_interval {AUTOSAVE_S}",
        f"persistent_client_expiration {SESSIONS_END_AFTER}",
        "",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        f"max_queued_bytes {MAX_QUEUED_BYTES}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        f"message_size_limit {MAX_PAYLOAD_BYTES}",
        f"max_keepalive {MAX_KEEPALIVE_S}",
        "queue_qos0_messages false",
        "check_retain_source true",
        "set_tcp_nodelay true",
        "sys_interval 0",
        "",
        "log_dest stderr",  # to the journal; a log file would need SIGHUP to be rotated
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "connection_messages true",
    ]
    return "\n".join(lines) + "\n"


def _listener(one: Listener) -> str:
    lines = [
        f"# {one.town}",
        f"listener {one.port} {one.address}".rstrip(),
        f"cafile {one.folder}/ca.crt",
        f"certfile {one.folder}/broker.crt",
        f"keyfile {one.folder}/broker.key",
        f"crlfile {one.folder}/revoked.crl",
        "tls_version tlsv1.2",  # the oldest that is spoken
        f"ciphers {CIPHERS_TLS12}",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "allow_zero_length_clientid false",
        f"acl_file {one.folder}/acl",
        f"max_connections {MAX_CONNECTIONS}",
    ]
    return "\n".join(lines) + "\n"
