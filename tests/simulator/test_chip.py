"""A simulated chip sees its own flash and nothing of the PC, and keeps what it wrote."""

import asyncio
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from simulator.chip.identity import address_of
from simulator.radio.dbus import SOCKET_PATH_BYTES, prepare_bus
from tests.simulator.conftest import BOOT, BOUND_S, make_image, micropython

pytestmark = pytest.mark.slow


def boot(image: Path, source: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    more = [] if source is None else ["--exec-stdin"]
    return subprocess.run(
        [micropython(), "-X", "heapsize=200k", str(BOOT), str(image), *more],
        input=source or "",
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env=env,
        check=False,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "chip.img", {"/main.py": "print('hello from', __name__)\n"})


def test_main_runs_from_the_image(image: Path) -> None:
    done = boot(image)
    assert (done.returncode, done.stdout) == (0, "hello from __main__\n")


def test_a_chip_sees_only_its_own_files(image: Path) -> None:
    done = boot(image, "import os, sys\nprint(os.listdir('/'), sys.path)\nopen('/etc/passwd')\n")
    assert done.stdout == "['main.py'] ['.frozen', '/lib']\n"
    assert "ENOENT" in done.stderr
    assert done.returncode == 1


def test_files_written_by_exec_are_there_at_the_next_boot(image: Path) -> None:
    boot(image, "with open('/key', 'wb') as file:\n    file.write(bytes(range(200)))\n")
    done = boot(image, "print(open('/key', 'rb').read() == bytes(range(200)))\n")
    assert done.stdout == "True\n"


def test_exec_needs_no_board_and_knows_its_unique_id(image: Path) -> None:
    source = "import machine\nprint(machine.unique_id().hex())\n"
    done = boot(image, source, KANNUKI_BOARD_NAME="lock-1")
    assert done.stdout.strip() == address_of("lock-1").hex()


def test_touching_a_pin_without_a_board_says_what_to_set(image: Path) -> None:
    done = boot(image, "import machine\nmachine.Pin(34, machine.Pin.IN).value()\n")
    assert done.returncode == 1
    assert "KANNUKI_BOARD" in done.stderr


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 65536])
def test_a_file_that_is_no_image_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.img"
    bad.write_bytes(content)
    done = boot(bad)
    assert done.returncode == 2
    assert "bad.img" in done.stderr


async def test_an_image_survives_being_killed_in_the_middle_of_writing(image: Path) -> None:
    source = """
import os
count = 0
while True:
    with open('/next', 'w') as file:
        file.write('%d %s' % (count, 'x' * 3000))
    os.rename('/next', '/kept')
    print(count)
    count += 1
"""
    for _ in range(3):
        child = await asyncio.create_subprocess_exec(
            *(micropython(), "-X", "heapsize=200k", str(BOOT), str(image), "--exec-stdin"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        child.stdin.write(source.encode())
        child.stdin.close()
        for _ in range(20):
            told = int(await asyncio.wait_for(child.stdout.readline(), BOUND_S))
        child.kill()
        rest = (await child.stdout.read()).split()
        await child.wait()
        told = max([told, *(int(line) for line in rest if line.isdigit())])
        kept = boot(image, "n, x = open('/kept').read().split()\nprint(n, len(x))\n")
        number, length = kept.stdout.split()
        assert int(length) == 3000
        assert int(number) >= told - 1


def test_a_bus_in_a_deep_folder_gets_a_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    bus = prepare_bus(deep)
    try:
        assert len(str(bus.socket)) <= SOCKET_PATH_BYTES
        assert bus.short_folder is not None
        assert str(bus.socket) in (deep / "bus.conf").read_text()
    finally:
        bus.clean_up()
    assert not bus.short_folder.exists()


def test_board_addresses_are_static_random_and_differ() -> None:
    addresses = {address_of(f"lock-{number}") for number in range(100)}
    assert len(addresses) == 100
    assert all(address[0] & 0xC0 == 0xC0 for address in addresses)


@pytest.mark.parametrize("length", [SOCKET_PATH_BYTES, SOCKET_PATH_BYTES + 1])
async def test_a_bus_starts_whatever_the_length_of_its_folders_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """Also when the folder for temporary files is as deep."""
    short = Path(tempfile.mkdtemp(prefix="k"))
    folder = short / ("x" * (length - len(str(short / "bus.sock")) - 1))
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    bus = prepare_bus(folder)
    daemon = await asyncio.create_subprocess_exec(*bus.argv, stderr=asyncio.subprocess.PIPE)
    try:
        for _ in range(100):
            if bus.socket.exists() or daemon.returncode is not None:
                break
            await asyncio.sleep(0.05)
        assert daemon.returncode is None, await daemon.stderr.read()
        assert bus.socket.exists()
    finally:
        daemon.kill()
        await daemon.wait()
        bus.clean_up()
        shutil.rmtree(short)
