"""The command `kannuki`: global options, lazy sub-commands, and how every failure reads.

Decides what a person sees on stderr and the exit code. Does not know what any sub-command does;
a room is imported only when its command is chosen.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from kannuki import commands, config
from kannuki import logging as kannuki_logging
from kannuki.errors import EXIT_FAILED, EXIT_INTERRUPTED, KannukiError
from kannuki.settings import state_dir

LEVELS = ("debug", "info", "warning", "error")


class LazyGroup(click.Group):
    """Lists commands by name and imports only the chosen one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        order = list(commands.KNOWN)
        found = commands.find(commands.GROUP)
        return sorted(found, key=lambda name: (name not in order, _index(order, name), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        point = commands.find(commands.GROUP).get(cmd_name)
        if point is None:
            return None
        command = commands.load(point)
        section = (ctx.default_map or {}).get(cmd_name)
        if isinstance(section, dict):
            config.check_keys(command, section, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            ctx.fail(f"no command '{args[0]}'. There are: {', '.join(names)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        points = commands.find(commands.GROUP)
        rows = [(name, commands.short_help(points[name])) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _index(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _use_file(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    path = value or config.find_file(Path.cwd(), os.environ)
    if path is not None:
        ctx.default_map = config.read_file(path)
        config.check_top(ctx.default_map, cli, ctx)
    return path


def own_version() -> str:
    """The installed version, or `0+checkout` when a clone runs without being installed."""
    try:
        return version("kannuki")
    except PackageNotFoundError:
        return "0+checkout"


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "KANNUKI",
        "help_option_names": ["-h", "--help"],
        "show_default": True,
    },
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    envvar="KANNUKI_CONFIG",
    callback=_use_file,
    show_default=False,
    help="Settings file (TOML). Else ./kannuki.toml, else the user's.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="How much to log.")
@click.option("--log-json", is_flag=True, help="Log JSON lines instead of text.")
@click.version_option(own_version(), prog_name="kannuki")
def cli(config_file: Path | None, log_level: str, log_json: bool) -> None:
    """Kannuki (閂) opens the rooms that a town lends to its people.

    Every option can also be set as KANNUKI_<COMMAND>_<OPTION> or in a TOML file; a flag wins over
    the environment, the environment over the file. Results go to stdout, logs to stderr.
    """
    kannuki_logging.set_up(log_level, as_json=log_json)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and exits with its code."""
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code, with the reason on stderr."""
    try:
        result: Any = cli.main(args=argv, prog_name="kannuki", standalone_mode=False)
    except KannukiError as error:
        return _tell(error.lines(), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        return _tell(error.format_message(), error.exit_code)
    except click.ClickException as error:
        return _tell(
            KannukiError(error.format_message(), _usage_hint(error)).lines(), error.exit_code
        )
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost boundary: our own bug, told plainly
        return _tell(_report_bug(error), EXIT_FAILED)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _tell(text: str, exit_code: int) -> int:
    click.echo(text, err=True)
    return exit_code


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see: {context.command_path} --help" if context else ""


def _report_bug(error: Exception) -> str:
    """One line and the place of the full story; the story itself when logging at debug."""
    story = kannuki_logging.redact("".join(traceback.format_exception(error)))
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return story
    first = kannuki_logging.redact(f"{type(error).__name__}: {error}").partition("\n")[0]
    return KannukiError(f"this is a fault in kannuki: {first}", _where_kept(story)).lines()


def _where_kept(story: str) -> str:
    path = state_dir(os.environ) / f"fault-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(story, encoding="utf-8")
    except OSError:
        return "run it again with --log-level debug to see where"
    return f"please report it with {path}"


if __name__ == "__main__":
    main()
