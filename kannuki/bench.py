"""`kannuki bench`: finds measurements by entry point and prints what they measured.

Decides how results are shown. Does not measure: a room registers `name = "module:function"` under
the entry-point group `kannuki.benches`; the function takes `full: bool` and returns a flat dict of
figures whose names carry their units.
"""

from __future__ import annotations

import json
import platform
from typing import Any

import click

from kannuki import commands
from kannuki.errors import InputError

GROUP = "kannuki.benches"


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_only", is_flag=True, help="List what can be measured.")
@click.option("--full", is_flag=True, help="Measure long enough for figures worth quoting.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(name: str | None, list_only: bool, full: bool, as_json: bool) -> None:
    """Measure: cloud, gateway, lock, wire (`--list` names what is there)."""
    if list_only or name is None:
        _show_list(as_json)
        return
    figures = measure(name, full=full)
    click.echo(json.dumps(figures, ensure_ascii=False) if as_json else _table(figures))


def measure(name: str, *, full: bool) -> dict[str, Any]:
    """Runs one bench; adds its name and what it ran on. Raises InputError for an unknown name."""
    point = commands.find(GROUP).get(name)
    if point is None:
        raise InputError(f"no bench '{name}'", "see: kannuki bench --list")
    figures = point.load()(full)
    machine = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
    return {"bench": name, "full": full, "machine": machine, **figures}


def _show_list(as_json: bool) -> None:
    names = sorted(commands.find(GROUP))
    click.echo(json.dumps(names) if as_json else "\n".join(names))


def _table(figures: dict[str, Any]) -> str:
    width = max(map(len, figures))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in figures.items())
