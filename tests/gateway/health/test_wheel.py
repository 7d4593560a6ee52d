"""`pip install kannuki[gateway]` on a small computer: the wheel and nothing but that extra's parts.

The wheel is built offline and unpacked; beside it lies what its own metadata says that the extra
needs, as links to what is installed here. Python sees these two folders and its standard library.
That each of these parts is pure or has a wheel for arm64 is recorded in docs/howto.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kannuki.settings import free_port
from tests.gateway.fakelock import LOCK_A, credential
from tests.gateway.health.town import write_gateway_file

pytestmark = pytest.mark.slow

NOT_ON_A_GATEWAY = ("bumble", "fastapi", "sqlalchemy", "littlefs", "serial", "pytest", "playwright")


class Installed:
    """A folder with the wheel's content and one with links to the closure of an extra."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.own, self.others = folder / "own", folder / "others"
        self.others.mkdir()
        zipfile.ZipFile(wheel).extractall(self.own)
        (info,) = self.own.glob("kannuki-*.dist-info")
        self.names: set[str] = set()
        self._add(PathDistribution(info), extra)

    def _add(self, dist: Distribution, extra: str = "") -> None:
        for text in dist.requires or []:
            needed = Requirement(text)
            name = canonicalize_name(needed.name)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": extra})
            if wanted and name not in self.names:
                self.names.add(name)
                found = distribution(needed.name)
                self._link(found)
                for one in needed.extras or [""]:
                    self._add(found, one)

    def _link(self, dist: Distribution) -> None:
        for top in {file.parts[0] for file in dist.files or []} - {"..", "__pycache__"}:
            target = self.others / top
            if not target.exists():
                target.symlink_to(Path(str(dist.locate_file(top))).resolve())

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python without a site: only these folders and the standard library."""
        start = f"import sys; sys.path[:0] = [{str(self.own)!r}, {str(self.others)!r}]; {code}"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", start, *arguments],
            cwd=self.own,
            env={"PATH": os.environ["PATH"], "HOME": str(self.own)},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def kannuki(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command."""
        return self.run("from kannuki.cli import main; main()", *arguments)


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    skipped = shutil.ignore_patterns("tests", ".*", "node_modules", "build", "var", "*.egg-info")
    shutil.copytree(checkout, source, ignore=skipped)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        + ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), "."],
        cwd=source,
        check=True,
        timeout=100,
    )
    (wheel,) = folder.glob("kannuki-*.whl")
    return Installed(folder, wheel, "gateway")


def test_the_wheel_is_for_every_machine_and_says_what_the_extra_needs(installed: Installed) -> None:
    (info,) = installed.own.glob("kannuki-*.dist-info")
    assert "Tag: py3-none-any" in (info / "WHEEL").read_text()
    assert {"bleak", "aiomqtt", "prometheus-client", "click", "pydantic"} <= installed.names


@pytest.mark.parametrize("name", NOT_ON_A_GATEWAY)
def test_nothing_of_the_simulator_or_the_service_is_there(installed: Installed, name: str) -> None:
    done = installed.run(f"import {name}")
    assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("gateway", "--help"), ("gateway", "run", "--help")]
)
def test_help_and_version_work(installed: Installed, arguments: tuple[str, ...]) -> None:
    done = installed.kannuki(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_module_of_a_gateway_can_be_imported(installed: Installed) -> None:
    paths = [*(installed.own / "gateway").rglob("*.py"), *(installed.own / "protocol").glob("*.py")]
    names = sorted(
        ".".join(path.relative_to(installed.own).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if not path.name.startswith("bench")
    )
    assert len(names) > 60
    done = installed.run(f"import importlib; [importlib.import_module(n) for n in {names!r}]")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_check_finds_what_is_missing(installed: Installed, tmp_path: Path) -> None:
    path = write_gateway_file(tmp_path / "gateway.json", {LOCK_A: credential(LOCK_A)})
    done = installed.kannuki(
        *("gateway", "check", "--json", "--listen-s", "0", "--gateway-file", str(path)),
        *("--broker", f"127.0.0.1:{free_port()}", "--data-dir", str(tmp_path / "data")),
    )
    report = json.loads(done.stdout)
    codes = {each["name"]: each["code"] for each in report["checks"]}
    assert done.returncode in (1, 3), done.stderr
    assert (codes["file"], codes["broker"]) == ("FILE_OK", "BROKER_NOT_LISTENING")
    assert codes["bluetooth"].startswith("BLUETOOTH_")


def test_a_command_of_the_service_says_what_to_install(installed: Installed) -> None:
    done = installed.kannuki("cloud", "serve")
    assert done.returncode == 3
    assert "pip install 'kannuki[cloud]'" in done.stderr


def test_figures_are_made_with_what_is_there(installed: Installed) -> None:
    code = (
        "from gateway.health.metrics import Exposition; from gateway.health.report import Report; "
        "from gateway.machine import Survey; s = Survey(True, True, 0, 0, 3, 0, None, {}, {}); "
        "r = Report(0.0, 't', 'g', '1', 0.0, s, 0.0, None, None, {}, {}); "
        "print(Exposition(lambda: r).page()[0].decode())"
    )
    done = installed.run(code)
    assert "kannuki_gateway_broker_connected 1.0" in done.stdout, done.stderr
