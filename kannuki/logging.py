"""Logging of programs on a PC: stderr, as text or as JSON lines, with secrets taken out.

Decides the shape of a line and what looks like a secret: a long base64 or hex run after a word such
as key, token, proof, secret or pin (digits too), or any 32 bytes and more of either on its own.
Does not decide what is logged. Last line of defence only: callers do not log secrets.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import IO, Any

HIDDEN = "[redacted]"
_NAMES = r"[\w.-]*(?:key|token|proof|secret|pin|password|cookie|authorization)[\w.-]*"
_QUOTE = r"""["']?"""
_NAMED = re.compile(
    rf"""({_QUOTE}\b{_NAMES}{_QUOTE}\s*[:=]\s*(?:b(?=["'])|bearer\s+)?{_QUOTE})"""
    r"""([A-Za-z0-9_\-+/=]{16,}|\d{4,}|(?:\\x[0-9a-fA-F]{2}|[^\s"'\\]){16,})""",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![\w\-+/])(?:[0-9a-fA-F]{64,}|(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{43,}=*)")
_FRAGMENT = re.compile(r"(https?://[^\s#]+#)\S+")
_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


# Libraries that tell of their own start at `info`: nobody asked.
TALKATIVE = ("alembic",)


def redact(text: str) -> str:
    """Takes out what looks like a secret; the fragment of a URL carries one here."""
    text = _FRAGMENT.sub(rf"\1{HIDDEN}", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return _BARE.sub(HIDDEN, text)


class TextLine(logging.Formatter):
    """`12:30:01 info    gateway.link: connected`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonLine(logging.Formatter):
    """One JSON object per record: t (Unix seconds), level, logger, message, extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "t": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        line.update((k, v) for k, v in record.__dict__.items() if k not in _PLAIN)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, ensure_ascii=False, default=str))


def set_up(level: str = "info", *, as_json: bool = False, stream: IO[str] | None = None) -> None:
    """Makes the root logger write to stderr; calling again replaces what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLine() if as_json else TextLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for talkative in TALKATIVE:
        logging.getLogger(talkative).setLevel(max(logging.WARNING, logging.root.level))
