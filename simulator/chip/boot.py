"""Starts a simulated chip: `micropython -X heapsize=160k boot.py IMAGE [--exec-stdin]`.

Mounts the LittleFS image as the whole file system, so that the lock sees exactly a chip's files
and nothing of the PC, then runs /main.py. With --exec-stdin it runs Python source from standard
input inside that file system instead (for enrolment, like a raw REPL).
Writes go to the image unbuffered, so killing the process at any time leaves what was written.
Nothing locks the image: never run two chips on one image.
"""

import os
import sys

BLOCK_BYTES = 4096


class ImageFile:
    """A block device over a host file, in the shape `os.VfsLfs2` wants."""

    def __init__(self, path: str) -> None:
        size = os.stat(path)[6]
        if size == 0 or size % BLOCK_BYTES:
            raise OSError(f"{path}: not a LittleFS image: {size} bytes")
        self._blocks = size // BLOCK_BYTES
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115  open as long as we live

    def readblocks(self, block: int, buffer: object, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block: int, buffer: object, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.write(buffer)

    def ioctl(self, op: int, arg: int) -> int:
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK_BYTES
        return 0  # init, deinit, sync, erase: nothing to do, writes are already in the file


def _load_shims(folder: str) -> None:
    """Put the chip's modules into sys.modules: afterwards nothing is read from the PC."""
    sys.path[:] = [folder, ".frozen"]
    import asyncio  # noqa: F401

    import bluetooth  # noqa: F401
    import machine  # noqa: F401


def _mount(image: str) -> None:
    device = ImageFile(image)
    os.umount("/")
    os.mount(os.VfsLfs2(device), "/")
    os.chdir("/")
    sys.path[:] = [".frozen", "/lib"]


def _run(source: str, name: str) -> int:
    """0: it ended by itself. 1: it raised, the trace is on standard error."""
    try:
        exec(compile(source, name, "exec"), {"__name__": "__main__"})  # noqa: S102  our job
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  the chip's program is not ours
        sys.print_exception(error, sys.stderr)
        return 1
    return 0


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def main(arguments: list) -> int:
    if not arguments or len(arguments) > 2 or arguments[1:] not in ([], ["--exec-stdin"]):
        sys.stderr.write("usage: micropython boot.py IMAGE [--exec-stdin]\n")
        return 2
    folder = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    source = sys.stdin.read() if len(arguments) == 2 else None
    try:
        _load_shims(folder)
        _mount(arguments[0])
        if source is None:
            source = _read("/main.py")
    except OSError as error:
        sys.stderr.write(f"boot: cannot start from {arguments[0]}: {error}\n")
        return 2
    return _run(source, "/main.py" if len(arguments) == 1 else "<stdin>")


sys.exit(main(sys.argv[1:]))
