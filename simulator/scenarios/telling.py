"""Puts records and answers of a scenario into words, for people and for scripts.

Decides wording only.
"""

from __future__ import annotations

from typing import Any

from protocol import audit, reasons
from simulator.scenarios.story import EXPECTED_ANSWERS, T0, WHO, Told

_SOURCES = {
    audit.SOURCE_HOLDER: "at the door",
    audit.SOURCE_REMOTE: "by relay",
    audit.SOURCE_AUTO: "by itself",
    audit.SOURCE_BUTTON: "by the exit button",
    audit.SOURCE_MANUAL: "by hand",
    audit.SOURCE_KEYPAD: "by PIN",
}
_OPERATIONS = {
    audit.OPERATION_LOCK: "locked",
    audit.OPERATION_UNLOCK: "unlocked",
    audit.OPERATION_HOLD_OPEN: "held open",
    audit.OPERATION_EVACUATE: "opened for evacuation",
}
_DOCUMENTS = {
    audit.STATUS_LIST: "status list",
    audit.KEYSET: "keyset",
    audit.CONFIG: "configuration",
}
_DOOR_STATES = {audit.DOOR_OPEN: "door opened", audit.DOOR_CLOSED: "door closed"}


def words(record: audit.Record) -> str:
    """One record as a sentence, e.g. "unlocked by relay, B"."""
    who = f", {WHO.get(record.subject, record.subject.hex())}" if record.subject else ""
    return _what(record) + who


def _what(record: audit.Record) -> str:
    source = _SOURCES.get(record.source, "")
    if record.event == audit.BOOT:
        return "the lock started"
    if record.event == audit.LOCK_OPERATION:
        return f"{_OPERATIONS[record.code]} {source}"
    if record.event == audit.LOCK_OPERATION_ERROR:
        return f"refused {source}: {reasons.name(record.code)}"
    if record.event == audit.DOOR_STATE:
        return _DOOR_STATES[record.code]
    if record.event in _DOCUMENTS:
        return f"{_DOCUMENTS[record.event]} {record.code} adopted"
    if record.event == audit.TIME:
        return "time set" if record.code == audit.TIME_SET else "time noted"
    return f"alarm {record.code}"


def second_of(record: audit.Record) -> int:
    """Seconds since the scenario began, by the lock's clock: surely not fewer."""
    return record.time.lo - T0


def happening(record: audit.Record) -> tuple[Any, ...]:
    """What must be the same at every depth: all but the time, and the chain over it."""
    return (record.event, record.code, record.source, record.subject, record.value)


def happenings(told: Told) -> list[tuple[Any, ...]]:
    """The whole evening in this form, but for the lock's notes on its clock.

    How often it was told the time, and how much narrower that made its doubt, depends on how long
    things took.
    """
    return [happening(record) for record in _readable(told) if record.event != audit.TIME]


def complaints(told: list[Told]) -> list[str]:
    """What is not as it must be; empty when all is well."""
    found = [f"{each.depth}: {fault}" for each in told for fault in each.faults]
    found += [
        f"{each.depth}: the answers are {each.answers}"
        for each in told
        if each.answers != EXPECTED_ANSWERS
    ]
    for each in told:
        try:
            each.decoded()
        except audit.AuditError as error:
            found.append(f"{each.depth}: {error}")
    if any(happenings(each) != happenings(told[0]) for each in told):
        found.append("the records differ between the depths")
    return found


def as_json(told: list[Told]) -> dict[str, Any]:
    """Everything, for a script; `raw` is the record in hex."""
    return {
        "ok": not complaints(told),
        "complaints": complaints(told),
        "depths": [each.depth for each in told],
        "equal": all(happenings(each) == happenings(told[0]) for each in told),
        "answers": [list(answer) for answer in told[0].answers],
        "records": [
            {
                "seq": record.seq,
                "second": second_of(record),
                "text": words(record),
                "raw": raw.hex(),
            }
            for record, raw in zip(_readable(told[0]), told[0].records, strict=True)
        ],
    }


def lines(told: list[Told]) -> list[str]:
    """Everything, for a person."""
    story = [
        f"T0+{second_of(record):03d}  {record.seq:2d}  {words(record)}"
        for record in _readable(told[0])
    ]
    found = complaints(told)
    depths = " and ".join(each.depth for each in told)
    count = len(told[0].records)
    if found:
        return [*story, *(f"NOT as it must be: {complaint}" for complaint in found)]
    same = ", the same at both but for the seconds" if len(told) > 1 else ""
    return [*story, f"{count} records came home ({depths}{same}); the chain holds"]


def _readable(told: Told) -> list[audit.Record]:
    """Records one by one: also those of a chain that does not hold."""
    return [audit.decode_record(raw) for raw in told.records]
