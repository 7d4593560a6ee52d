"""Options that commands of the cloud share, and how they open the town."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cloud.clock import Clock, system_clock
from cloud.database import open_database
from cloud.problems import Problem
from cloud.service import TownService, open_service
from kannuki.errors import ExpectationFailed, InputError, KannukiError

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

database_option = click.option(
    "--database",
    default="kannuki.db",
    envvar="KANNUKI_DATABASE_URL",
    help="SQLite file, or a database URL (postgresql://...). Also: KANNUKI_DATABASE_URL.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_OPTIONS = (
    database_option,
    click.option("--keys-dir", type=FOLDER, required=True, help="Folder made by `keys init`."),
    click.option("--town", required=True, help="The town's id: a-z, 0-9, hyphen."),
    click.option(
        "--clock-offset-s", type=int, default=0, help="Moves the town's clock (for demos)."
    ),
    click.option(
        "--key-page-url",
        default="http://127.0.0.1:8080/key",
        help="Where key links lead, https://host/ of its own; the secret follows behind #.",
    ),
    click.option(
        "--vault-socket",
        type=FILE,
        help="Ask a vault that runs as `cloud vault`, instead of reading its keys.",
    ),
)


def town_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of a town and calls it with `service`."""

    @functools.wraps(command)
    def opened(
        *args: Any,
        database: str,
        keys_dir: Path,
        town: str,
        clock_offset_s: int,
        key_page_url: str,
        vault_socket: Path | None,
        **kwargs: Any,
    ) -> Any:
        clock = system_clock(clock_offset_s)
        db = open_database(database, town, now=clock())
        try:
            service = open_service(town, db, keys_dir, clock, key_page_url, vault_socket)
            return command(*args, service=service, **kwargs)
        except Problem as problem:
            raise as_failure(problem) from None
        finally:
            db.close()

    for option in reversed(_OPTIONS):
        opened = option(opened)
    return opened


def as_failure(problem: Problem) -> KannukiError:
    """A problem as a command tells it: easy to search by code, in Japanese and English."""
    body = problem.body()
    kind = InputError if problem.status in (404, 422) else ExpectationFailed
    return kind(f"{body['code']}: {body['ja']}", body["en"])


__all__ = [
    "FILE",
    "FOLDER",
    "Clock",
    "TownService",
    "as_failure",
    "database_option",
    "json_option",
    "town_options",
]
