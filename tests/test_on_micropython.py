"""The shared test files, run once more inside the real MicroPython.

A staged copy holds nothing but the protocol package (with its vectors), the lock's core, the test
files and our `unittest` stand-in; MicroPython finds modules there and in its frozen set, nowhere
else. In tests/protocol all files are shared but test_cpython_*, in tests/firmware only test_chip_*.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = sorted(
    path.stem
    for path in (ROOT / "tests" / "protocol").glob("test_*.py")
    if not path.stem.startswith("test_cpython_")
)
FIRMWARE = sorted(path.stem for path in (ROOT / "tests" / "firmware").glob("test_chip_*.py"))
CHIP_HEAP = "256k"  # like an ESP32's, where objects have half the size
FILE_HEAP = "8m"  # for tests that read a large file of vectors
OF_FILES = ("test_vectors", "test_decoders")


def find_micropython() -> str:
    """The MicroPython that set-up installed beside this Python, or the one on the PATH."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        pytest.fail("no `micropython` beside this Python or on the PATH: run `make setup`")
    return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that MicroPython can import the package and the tests from."""
    stage = tmp_path_factory.mktemp("stage")
    only_sources = shutil.ignore_patterns("__pycache__", "test_cpython_*", "generate_*")
    shutil.copytree(ROOT / "protocol", stage / "protocol", ignore=only_sources)
    shutil.copytree(ROOT / "tests" / "protocol", stage / "tests" / "protocol", ignore=only_sources)
    shutil.copytree(ROOT / "firmware" / "core", stage / "firmware" / "core", ignore=only_sources)
    shutil.copy(ROOT / "firmware" / "__init__.py", stage / "firmware")
    shutil.copytree(ROOT / "tests" / "vectors", stage / "tests" / "vectors")
    (stage / "tests" / "firmware").mkdir()
    for name in ["__init__", *FIRMWARE]:
        shutil.copy(ROOT / "tests" / "firmware" / f"{name}.py", stage / "tests" / "firmware")
    shutil.copy(ROOT / "tests" / "__init__.py", stage / "tests")
    shutil.copy(ROOT / "tests" / "micropython" / "unittest.py", stage)
    return stage


def run_in_micropython(
    stage: Path, *arguments: str, heap: str = CHIP_HEAP
) -> subprocess.CompletedProcess[str]:
    """Run seeing only the stage."""
    environment = {**os.environ, "MICROPYPATH": f"{stage}:.frozen"}
    command = [find_micropython(), "-X", f"heapsize={heap}", *arguments]
    return subprocess.run(
        command, cwd=stage, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", PROTOCOL)
def test_shared_tests_pass_inside_micropython(stage: Path, name: str) -> None:
    heap = FILE_HEAP if name.startswith(OF_FILES) else CHIP_HEAP
    assert_passes(run_in_micropython(stage, "unittest.py", f"tests.protocol.{name}", heap=heap))


@pytest.mark.parametrize("name", FIRMWARE)
def test_tests_of_the_core_pass_inside_micropython(stage: Path, name: str) -> None:
    done = run_in_micropython(stage, "unittest.py", f"tests.firmware.{name}", heap=FILE_HEAP)
    assert_passes(done)


def assert_passes(done: subprocess.CompletedProcess[str]) -> None:
    """Some tests ran, and none failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r"^ran (\d+) failed 0$", done.stdout, re.MULTILINE)
    assert counts is not None, done.stdout
    assert int(counts[1]) > 0


def test_a_failing_test_fails_inside_micropython_too(stage: Path) -> None:
    bad = stage / "tests" / "protocol" / "sample_that_fails.py"
    bad.write_text(
        "import unittest\n"
        "class T(unittest.TestCase):\n"
        "    def test_wrong(self):\n"
        "        self.assertEqual(1, 2)\n"
    )
    done = run_in_micropython(stage, "unittest.py", "tests.protocol.sample_that_fails")
    assert done.returncode == 1
    assert "ran 1 failed 1" in done.stdout


def test_a_file_without_tests_fails_inside_micropython(stage: Path) -> None:
    done = run_in_micropython(stage, "unittest.py", "tests.protocol.support")
    assert done.returncode == 1
    assert "ran 0 failed 0" in done.stdout
