"""What `kannuki gateway check` can find: a code for programs, words for the person at the cupboard.

Decides codes and how bad each is. A code is never given another meaning: monitoring is built on it.
A text says what is so, a remedy what to do next; both for a technician who knows cables and
settings, not protocols. Neither holds a key, a token or a person's name.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kannuki.errors import EXIT_FAILED, EXIT_MISSING, EXIT_OK


class Level(enum.Enum):
    """How bad."""

    OK = "ok"
    WARNING = "warning"  # works today; somebody should look
    BAD = "bad"  # does not work
    MISSING = "missing"  # a part of the system is not installed


L = Level
CODES: dict[str, Level] = {
    # the gateway file
    "FILE_OK": L.OK,
    "FILE_UNUSABLE": L.BAD,
    "FILE_OPEN_TO_OTHERS": L.BAD,
    "FILE_NO_LOCKS": L.WARNING,
    "TOKENS_OK": L.OK,
    "TOKENS_END_SOON": L.WARNING,
    "TOKENS_ENDED": L.BAD,
    # this computer
    "CLOCK_OK": L.OK,
    "CLOCK_IN_THE_PAST": L.BAD,
    "CLOCK_UNSYNCHRONISED": L.WARNING,
    "CLOCK_DIFFERS": L.BAD,
    "CLOCK_UNKNOWN": L.WARNING,
    "DATA_OK": L.OK,
    "DATA_UNWRITABLE": L.BAD,
    "DATA_FULL": L.BAD,
    "DATA_NEARLY_FULL": L.WARNING,
    "DATABASE_OK": L.OK,
    "DATABASE_NONE": L.OK,
    "DATABASE_UNREADABLE": L.BAD,
    "DATABASE_DAMAGED": L.BAD,
    "DATABASE_NEWER": L.BAD,
    # the way to the town
    "CERTIFICATES_OK": L.OK,
    "CERTIFICATES_NONE": L.OK,
    "CERTIFICATES_UNUSABLE": L.BAD,
    "CERTIFICATES_END_SOON": L.WARNING,
    "CERTIFICATES_ENDED": L.BAD,
    "BROKER_OK": L.OK,
    "BROKER_NAME_UNKNOWN": L.BAD,
    "BROKER_UNREACHABLE": L.BAD,
    "BROKER_NOT_LISTENING": L.BAD,
    "BROKER_NO_TLS": L.BAD,
    "BROKER_UNKNOWN_CA": L.BAD,
    "BROKER_WRONG_NAME": L.BAD,
    "BROKER_NOT_BELIEVED": L.BAD,
    "BROKER_CERTIFICATE_ENDED": L.BAD,
    "BROKER_CERTIFICATE_NOT_YET": L.BAD,
    "BROKER_REFUSES_CERTIFICATE": L.BAD,
    "BROKER_REFUSES": L.BAD,
    "BROKER_SILENT": L.BAD,
    # the radio
    "BLUETOOTH_OK": L.OK,
    "BLUETOOTH_NO_BUS": L.MISSING,
    "BLUETOOTH_NO_SERVICE": L.MISSING,
    "BLUETOOTH_FORBIDDEN": L.BAD,
    "BLUETOOTH_NO_ADAPTER": L.BAD,
    "BLUETOOTH_OFF": L.BAD,
    "BLUETOOTH_FAILS": L.BAD,
    # the program, and each lock
    "GATEWAY_RUNS": L.OK,
    "GATEWAY_STOPPED": L.WARNING,
    "GATEWAY_OFFLINE": L.BAD,
    "GATEWAY_CANNOT_STORE": L.BAD,
    "GATEWAY_SILENT": L.BAD,
    "LOCK_HEARD": L.OK,
    "LOCK_REACHED": L.OK,
    "LOCK_WEAK": L.WARNING,
    "LOCK_NOT_HEARD": L.BAD,
    "LOCK_JAMMED": L.BAD,
    "LOCK_NOT_LOOKED_FOR": L.WARNING,
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. `name`: what was looked at; `lock`: which, where it is about one."""

    name: str
    code: str
    text: str
    remedy: str = ""
    lock: str = ""

    @property
    def level(self) -> Level:
        """How bad it is."""
        return CODES[self.code]

    @property
    def is_ok(self) -> bool:
        """Whether the gateway can do its work in spite of it."""
        return self.level in (Level.OK, Level.WARNING)

    def as_json(self) -> dict[str, Any]:
        """For scripts: `code` is stable, `text` and `remedy` may be worded anew."""
        about = {"name": self.name, "code": self.code, "level": self.level.value, "ok": self.is_ok}
        about |= {"text": self.text, "remedy": self.remedy}
        return about | ({"lock": self.lock} if self.lock else {})


def exit_code(findings: Iterable[Finding]) -> int:
    """3 when a part has to be installed first, else 1 when something does not work, else 0."""
    levels = {finding.level for finding in findings}
    if Level.MISSING in levels:
        return EXIT_MISSING
    return EXIT_FAILED if Level.BAD in levels else EXIT_OK


def days(seconds: float) -> str:
    """A stretch of time as a person says it."""
    if seconds < 2 * 3600:
        return f"{max(0, int(seconds // 60))} minutes"
    if seconds < 2 * 86400:
        return f"{int(seconds // 3600)} hours"
    return f"{int(seconds // 86400)} days"


def size(count: float) -> str:
    """Bytes as a person says it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
