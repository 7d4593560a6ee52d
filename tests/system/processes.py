"""Starts `kannuki` as a person would, and finds every process that belongs to one start.

Decides how a test recognises its own processes: a mark in their environment, which children
inherit. Touches no process without that mark.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MARK = "SYSTEM_TEST_MARK"
ENDS_WITHIN_S = 100
CHECKOUT = Path(__file__).resolve().parents[2]


class Run:
    """One `kannuki ...` process and all that it starts. `folder` gets home, temp and output."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._mark = uuid.uuid4().hex
        self.temp = folder / "temp"
        for name in ("temp", "home", "run"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.runtime_dir = folder / "run"
        self._out, self._err = folder / f"{self._mark}.out", folder / f"{self._mark}.err"
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "TMPDIR": str(self.temp),
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(self.runtime_dir),
            MARK: self._mark,
            **(env or {}),
        }
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kannuki", *arguments],
                env=self._environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(ENDS_WITHIN_S)

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def report(self) -> dict[str, Any]:
        """The last line of stdout, which must be JSON."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    def ask(self, *arguments: str) -> str:
        """What another `kannuki` command of the same person prints."""
        done = subprocess.run(
            [sys.executable, "-m", "kannuki", *arguments],
            env={**self._environment, MARK: ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=ENDS_WITHIN_S,
        )
        return done.stdout

    def processes(self) -> set[int]:
        """Every living process that was started by this one, itself included."""
        wanted = f"{MARK}={self._mark}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found

    def children(self) -> set[int]:
        return self.processes() - {self.process.pid}

    def end(self) -> None:
        """Nothing of it is left, whatever the test did."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(ENDS_WITHIN_S)

    def child_names(self) -> set[str]:
        """The names in `kannuki demo status --json` whose program is ready."""
        notes = json.loads(self.ask("demo", "status", "--json"))
        return {c["name"] for note in notes for c in note["children"] if c["state"] == "ready"}


@contextlib.contextmanager
def running(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Run]:
    """A `kannuki ...` that is ended with all its children when the test is over."""
    run = Run(folder, *arguments, env=env)
    try:
        yield run
    finally:
        run.end()


def until(condition: Callable[[], bool], within_s: float = 60, what: str = "") -> None:
    """Waits for `condition`; fails the test when it does not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)
