"""Which sub-commands there are, and where each is found.

Decides names, one-line helps and the extra of each known command, so that `kannuki --help` needs no
room. Does not import a room before that very command is chosen: rooms register themselves as entry
points `kannuki.commands` (read from pyproject.toml when a checkout runs without being installed).
"""

from __future__ import annotations

import importlib
import tomllib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import click

from kannuki.errors import MissingPart

GROUP = "kannuki.commands"
ROOMS = (
    "protocol",
    "firmware",
    "gateway",
    "provisioning",
    "cloud",
    "kannuki",
    "simulator",
    "hil_tests",
)


@dataclass(frozen=True)
class Known:
    """What is told of a command before its room is imported."""

    help: str
    extra: str


KNOWN = {
    "demo": Known("Run a small town on this machine: cloud, gateway, locks, doors.", "sim"),
    "sim": Known("Run single simulated parts: a lock, a radio, a phone.", "sim"),
    "gateway": Known("Relay between MQTT and the locks of a building.", "gateway"),
    "cloud": Known("Serve the town: bookings, keys, the pages.", "cloud"),
    "provision": Known("Make, flash, enrol and label locks.", "provision"),
    "keys": Known("Make and keep the town's keys.", "cloud"),
    "token": Known("Issue, inspect and verify tokens.", "cloud"),
    "bench": Known("Measure: wire, crypto, lock, radio.", ""),
}


def find(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; a checkout that is not installed reads its own list."""
    installed = {point.name: point for point in entry_points(group=group)}
    return installed or _from_checkout(group)


def _from_checkout(group: str) -> dict[str, EntryPoint]:
    pyproject = Path(__file__).resolve().parent.parent / "pyproject.toml"
    if not pyproject.is_file():
        return {}
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    listed = project.get("entry-points", {}).get(group, {})
    return {name: EntryPoint(name, value, group) for name, value in listed.items()}


def short_help(point: EntryPoint) -> str:
    """One line for `--help`, without importing anything."""
    known = KNOWN.get(point.name)
    return known.help if known else f"(added by {point.module.partition('.')[0]})"


def load(point: EntryPoint) -> click.Command:
    """Imports the one command that was chosen.

    Raises MissingPart (exit 3) when a package of its extra is not installed.
    """
    try:
        module = importlib.import_module(point.module)
    except ModuleNotFoundError as error:
        raise missing_extra(point, error.name or "") from error
    return getattr(module, point.attr)


def missing_extra(point: EntryPoint, module: str) -> MissingPart:
    """The answer to `kannuki NAME` when `module` cannot be imported."""
    top = module.partition(".")[0]
    known = KNOWN.get(point.name)
    if top in ROOMS or known is None or not known.extra:
        return MissingPart(
            f"'{point.name}' is not part of this installation: no module {module}",
            "install Kannuki completely: make setup, in a clone of the project",
        )
    return MissingPart(
        f"'{point.name}' needs the Python package that brings '{top}'",
        f"pip install 'kannuki[{known.extra}]'",
    )
