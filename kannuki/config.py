"""Settings from a TOML file, as defaults for the options of a command.

Decides where the file is looked for (--config, KANNUKI_CONFIG, ./kannuki.toml, the user's
configuration folder) and refuses a setting that no option knows, by name. Does not read the
environment for single settings: click does (flag > KANNUKI_* > TOML > default).
A table is a sub-command (`[gateway]`), a key is a long option without its dashes.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from kannuki.errors import InputError

FILE_NAME = "kannuki.toml"


def find_file(cwd: Path, environ: Mapping[str, str]) -> Path | None:
    """The file used when none is named: this folder's, else the user's, else none."""
    home = Path(environ.get("HOME", "/nonexistent"))
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "kannuki" / FILE_NAME
    return next((path for path in (cwd / FILE_NAME, user) if path.is_file()), None)


def read_file(path: Path) -> dict[str, Any]:
    """TOML to click's default_map: keys of settings get underscores, names of tables stay."""
    try:
        return _normalised(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise InputError(
            f"cannot read the settings in {path}: {reason}", "name another file with --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}", "correct that line") from error


def _normalised(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key if isinstance(value, dict) else key.replace("-", "_"): (
            _normalised(value) if isinstance(value, dict) else value
        )
        for key, value in table.items()
    }


def check_keys(command: click.Command, section: Mapping[str, Any], where: str) -> None:
    """Refuses settings that `command` has no option for; looks into the tables of a group."""
    children = getattr(command, "commands", {})
    options = {param.name for param in command.params if isinstance(param, click.Option)}
    for key, value in section.items():
        if isinstance(value, dict) and key in children:
            check_keys(children[key], value, f"{where} {key}".strip())
        elif key not in options:
            raise _unknown(key, [*filter(None, options), *children], where)


def check_top(section: Mapping[str, Any], group: click.Group, ctx: click.Context) -> None:
    """The same for the file's top level: global options and names of commands."""
    options = {param.name for param in group.params if isinstance(param, click.Option)}
    known = [*filter(None, options), *group.list_commands(ctx)]
    for key in section:
        if key not in known:
            raise _unknown(key, known, "")


def _unknown(key: str, known: list[str], where: str) -> InputError:
    table = f"[{where.replace(' ', '.')}] " if where else ""
    close = get_close_matches(key, known, n=1)
    remedy = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(known))}"
    return InputError(f"settings file: {table}has no setting '{key}'", remedy)
