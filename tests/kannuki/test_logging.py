"""Log lines: on stderr, as text or JSON, and never with a secret in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from kannuki import logging as kannuki_logging

SECRET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"
HEX = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "line",
    [
        f"proof_key={SECRET}",
        f"token: {SECRET[:24]}",
        f"{{'pop-key': '{SECRET[:16]}'}}",
        f'{{"secret": "{HEX[:32]}"}}',
        "pin=4820175633",
        "PIN: 4820",
        f"proof=b'{SECRET[:20]}'",
        r"vault_key=b'\x00\x9f\xa3\x10\x8c\x00\x9f\xa3\x10\x8c\x00\x9f\xa3\x10\x8c\x01\x02'",
        f"Authorization: Bearer {SECRET[:32]}",
        f"a lone {HEX}",
        f"a lone {SECRET}",
        f"https://kannuki.example/k#{SECRET[:22]}",
    ],
)
def test_secrets_are_taken_out_of_log_lines(line: str) -> None:
    hidden = kannuki_logging.redact(line)
    assert kannuki_logging.HIDDEN in hidden
    assert SECRET[:12] not in hidden
    assert HEX[:16] not in hidden
    assert "4820" not in hidden
    assert r"\x9f\xa3" not in hidden


@pytest.mark.parametrize(
    "line",
    [
        "gateway.link: connected to 127.0.0.1:1883 in 12 ms",
        "keyset version 3, key 2 of 3",
        "lock ab2c4d6e refused: NOT_YET_VALID",
        "monkey business at /var/lib/kannuki/demo/lock-1/image.bin",
        "topic kannuki/v1/hinata/school-gateway-1/response",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert kannuki_logging.redact(line) == line


def test_json_lines_hold_level_logger_message_and_extra_fields_without_secrets() -> None:
    stream = io.StringIO()
    kannuki_logging.set_up("info", as_json=True, stream=stream)
    logging.getLogger("room.part").warning(
        "token=%s\nsecond line", SECRET, extra={"lock": "ab2c4d6e", "proof_key": SECRET}
    )
    logging.getLogger("room.part").debug("not this one")
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"]) == ("warning", "room.part")
    assert record["lock"] == "ab2c4d6e"
    assert SECRET not in line


def test_text_lines_name_the_logger_and_hide_secrets_of_tracebacks() -> None:
    stream = io.StringIO()
    kannuki_logging.set_up("debug", stream=stream)
    try:
        raise ValueError(f"secret={SECRET}")
    except ValueError:
        logging.getLogger("room.part").exception("it broke")
    assert "error   room.part: it broke" in stream.getvalue().lower()
    assert SECRET not in stream.getvalue()
