"""Real child processes: readiness, restarts, orderly and violent ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kannuki.backoff import Backoff
from kannuki.proc import listens_on, started_ticks
from kannuki.settings import free_port
from kannuki.status import read_all_status
from kannuki.supervisor import Child, ChildFailed, ChildSpec, Supervisor, port_answers, until_signal

READY = "import json, sys, time; print(json.dumps({'ready': True, 'port': 7}), flush=True)\n"
STAY = READY + "time.sleep(600)\n"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAY
SOON = Backoff(first_s=0.01, max_s=0.05)


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition; the bound only says when to call it a failure."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor("test", tmp_path / "data", tmp_path / "run") as made:
        yield made


def spec(supervisor: Supervisor, code: str, name: str = "part", **changes: Any) -> ChildSpec:
    log = supervisor.data_dir / f"{name}.log"
    settings: dict[str, Any] = {"restart": SOON, **changes}
    return ChildSpec(name=name, argv=(sys.executable, "-c", code), log=log, **settings)


def noted(supervisor: Supervisor, name: str = "part") -> dict[str, Any]:
    (whole,) = read_all_status(supervisor.registry, "test")
    return next(child for child in whole["children"] if child["name"] == name)


async def killed(child: Child) -> int:
    """Kills its process; returns the new pid once it is ready again."""
    old = child.pid
    assert old is not None
    os.kill(old, signal.SIGKILL)
    await until(lambda: child.state == "ready" and child.pid != old)
    assert child.pid is not None
    return child.pid


async def test_a_child_is_ready_when_it_says_so_and_its_note_tells_where(
    supervisor: Supervisor,
) -> None:
    child = await supervisor.start(spec(supervisor, STAY))
    note = noted(supervisor)
    assert (note["state"], note["pid"], note["port"]) == ("ready", child.pid, 7)
    assert '"ready": true' in Path(note["log"]).read_text()


async def test_the_childs_pid_is_the_programs_own(supervisor: Supervisor) -> None:
    child = await supervisor.start(spec(supervisor, STAY))
    assert child.pid is not None
    assert b"time.sleep" in Path(f"/proc/{child.pid}/cmdline").read_bytes()


async def test_a_probe_can_say_when_a_child_is_ready(supervisor: Supervisor) -> None:
    port = free_port()
    code = (
        "import socket, time; time.sleep(0.2); s = socket.create_server(('127.0.0.1', "
        f"{port})); time.sleep(600)"
    )
    await supervisor.start(spec(supervisor, code, port=port, ready=port_answers(port)))
    assert await port_answers(port)()
    assert noted(supervisor)["port"] == port


async def test_a_port_that_another_program_took_first_does_not_count_as_ready(
    supervisor: Supervisor,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert listens_on(os.getpid(), port)
        code = f"import socket; socket.create_server(('127.0.0.1', {port}))"
        with pytest.raises(ChildFailed, match="Address already in use"):
            await supervisor.start(spec(supervisor, code, port=port, ready="port", restart=None))


async def test_a_child_is_ready_when_it_listens_on_its_own_port(supervisor: Supervisor) -> None:
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    child = await supervisor.start(spec(supervisor, code, port=port, ready="port"))
    assert child.pid is not None
    assert listens_on(child.pid, port)


async def test_the_last_words_of_a_stopped_child_are_in_its_log(supervisor: Supervisor) -> None:
    code = (
        "import signal, sys\n"
        "def end(*_):\n"
        "    print('x' * 200_000 + 'last words', flush=True)\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n" + STAY
    )
    child = await supervisor.start(spec(supervisor, code))
    await supervisor.stop_child("part")
    assert child.exit_code == 0
    assert child.spec.log.read_text().endswith("last words\n")


async def test_a_fault_in_our_own_listener_leaves_no_child_unsupervised(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(_line: dict[str, Any]) -> None:
        raise RuntimeError("a fault of ours")

    child = await supervisor.start(
        spec(supervisor, "print('{}', flush=True)\n" + STAY, on_line=faulty, ready=None)
    )
    await until(lambda: child.state == "failed" and child.pid is None)
    assert "a fault of ours" in caplog.text


async def test_a_child_without_a_sign_of_readiness_is_ready_at_once(
    supervisor: Supervisor,
) -> None:
    child = await supervisor.start(spec(supervisor, "import time; time.sleep(600)", ready=None))
    assert child.state == "ready"


async def test_a_killed_child_comes_back_and_is_counted(supervisor: Supervisor) -> None:
    child = await supervisor.start(spec(supervisor, STAY))
    pid = await killed(child)
    note = noted(supervisor)
    assert (note["pid"], note["restarts"]) == (pid, 1)


async def test_a_child_that_was_stopped_stays_stopped_until_started(
    supervisor: Supervisor,
) -> None:
    child = await supervisor.start(spec(supervisor, STAY))
    pid = child.pid
    assert pid is not None
    await supervisor.stop_child("part")
    assert started_ticks(pid) is None
    assert (noted(supervisor)["state"], noted(supervisor)["pid"]) == ("stopped", None)
    await supervisor.start_child("part")
    assert noted(supervisor)["state"] == "ready"


async def test_a_child_deaf_to_sigterm_is_killed(supervisor: Supervisor) -> None:
    child = await supervisor.start(spec(supervisor, STUBBORN, stop_within_s=0.1))
    await supervisor.stop_child("part")
    assert child.exit_code == -signal.SIGKILL


async def test_a_child_that_never_gets_ready_fails_with_the_end_of_its_log(
    supervisor: Supervisor,
) -> None:
    code = "import sys; sys.exit('no such radio')"
    with pytest.raises(ChildFailed, match="no such radio"):
        await supervisor.start(spec(supervisor, code, restart=None))
    assert noted(supervisor)["state"] == "failed"


async def test_a_program_that_is_not_there_fails_by_name(supervisor: Supervisor) -> None:
    wrong = ChildSpec("part", ("no-such-program",), supervisor.data_dir / "log", restart=None)
    with pytest.raises(ChildFailed, match="cannot run no-such-program"):
        await supervisor.start(wrong)


async def test_a_silent_child_is_given_up_and_not_left_behind(supervisor: Supervisor) -> None:
    silent = spec(supervisor, "import time; time.sleep(600)", ready_within_s=0.3)
    with pytest.raises(ChildFailed, match="did not become ready"):
        await supervisor.start(silent)
    assert supervisor.children["part"].pid is None


async def test_lines_of_a_child_are_handed_on_and_garbage_is_only_logged(
    supervisor: Supervisor,
) -> None:
    heard: list[dict[str, Any]] = []
    code = (
        "print('{not json'); print('{\"n\": 1}'); print('{' + 'x' * 3_000_000); "
        "print('\\xff', flush=True)\n" + STAY
    )
    await supervisor.start(spec(supervisor, code, on_line=heard.append))
    await until(lambda: len(heard) == 2)
    assert heard == [{"n": 1}, {"ready": True, "port": 7}]
    assert "{not json" in (supervisor.data_dir / "part.log").read_text(errors="replace")


async def test_children_are_stopped_last_started_first(supervisor: Supervisor) -> None:
    order = supervisor.data_dir / "order"
    for name in ("first", "second"):
        code = (
            "import signal, sys\n"
            "def end(*_):\n"
            f"    open({str(order)!r}, 'a').write('{name} ')\n"
            "    sys.exit()\n"
            "signal.signal(signal.SIGTERM, end)\n" + STAY
        )
        await supervisor.start(spec(supervisor, code, name))
    await supervisor.stop()
    assert order.read_text() == "second first "


async def test_two_supervisors_run_side_by_side(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from kannuki.supervisor import Supervisor\n"
        "async def main(data, run):\n"
        "    async with Supervisor('test', data, run):\n"
        "        print('up', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main(*map(Path, sys.argv[1:])))\n"
    )
    run = tmp_path / "run"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", parent, tmp_path / name, run],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for name in "ab"
    ]
    try:
        for other in others:
            assert other.stdout is not None
            assert await asyncio.to_thread(other.stdout.readline) == b"up\n"
        running = {note["pid"] for note in read_all_status(run, "test")}
        assert running == {other.pid for other in others}
    finally:
        for other in others:
            other.kill()
            other.communicate()
    assert read_all_status(run, "test") == []


async def test_children_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from kannuki.supervisor import ChildSpec, Supervisor\n"
        "async def main(folder):\n"
        "    async with Supervisor('test', folder, folder / 'run') as sup:\n"
        f"        argv = (sys.executable, '-c', {STUBBORN!r})\n"
        "        child = await sup.start(ChildSpec('part', argv, folder / 'log'))\n"
        "        print(child.pid, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", parent, tmp_path],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert other.stdout is not None
    child_pid = int(await asyncio.to_thread(other.stdout.readline))
    assert started_ticks(child_pid) is not None
    other.kill()
    other.communicate()
    await until(lambda: started_ticks(child_pid) is None)
    assert json.loads((tmp_path / "status.json").read_text())["pid"] == other.pid


def test_a_child_whose_parent_is_already_gone_does_not_start(checkout: Path) -> None:
    program = checkout / "kannuki" / "child.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", program, "1", "echo", "started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (125, "")


async def test_a_program_stays_up_until_it_is_told_to_stop() -> None:
    waiting = asyncio.create_task(until_signal(signal.SIGTERM))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(waiting, 30)
