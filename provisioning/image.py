"""LittleFS images: a lock's flash as a file on a PC.

Decides geometry and which folders belong to the firmware (replaced by `update`) and which to the
lock (/data, never touched). Reads and writes whole images through littlefs-python, which produces
the on-disk format that the chip mounts.
"""

from __future__ import annotations

from pathlib import Path

from littlefs import LittleFS, LittleFSError

from kannuki.errors import InputError

BLOCK_BYTES = 4096
BLOCKS = 512  # 2 MiB, the file system of a 4 MB ESP32
_FIRMWARE = ("/lib", "/main.py")


def create(path: Path, tree: dict[str, bytes]) -> None:
    """A new image with `tree`. Raises InputError when the file is already there."""
    if path.exists():
        raise InputError(
            f"{path} already exists",
            "choose another file, or `kannuki provision update` to renew its firmware",
        )
    files = LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS)
    _write_tree(files, tree)
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(files, path)


def update(path: Path, tree: dict[str, bytes]) -> bool:
    """Make the firmware of an image equal to `tree`, keeping the lock's own data.

    Returns whether anything had to be changed.
    """
    files = _load(path)
    if _firmware_in(files) == tree:
        return False
    for place in _FIRMWARE:
        _remove(files, place)
    _write_tree(files, tree)
    _save(files, path)
    return True


def read(path: Path, name: str) -> bytes | None:
    """One file of an image, or None."""
    return _read(_load(path), name)


def put(path: Path, tree: dict[str, bytes]) -> None:
    """Write files into an image, the lock's own data too; a bench prepares a lock this way."""
    files = _load(path)
    _write_tree(files, tree)
    _save(files, path)


def listing(path: Path) -> dict[str, int]:
    """{file: bytes} of everything in an image."""
    files = _load(path)
    return {name: files.stat(name).size for name in _walk(files, "/")}


def _load(path: Path) -> LittleFS:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", "make an image with `kannuki provision enrol`"
        ) from error
    if len(raw) != BLOCK_BYTES * BLOCKS:
        raise InputError(
            f"{path} is not a lock's image: {len(raw)} bytes",
            f"an image has {BLOCK_BYTES * BLOCKS} bytes",
        )
    files = LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS, mount=False)
    files.context.buffer = bytearray(raw)
    try:
        files.mount()
    except LittleFSError as error:
        raise InputError(
            f"{path} holds no LittleFS file system",
            "make a new image with `kannuki provision enrol`",
        ) from error
    return files


def _save(files: LittleFS, path: Path) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(files.context.buffer)
    temporary.replace(path)


def _write_tree(files: LittleFS, tree: dict[str, bytes]) -> None:
    for name in sorted(tree):
        files.makedirs(name.rpartition("/")[0] or "/", exist_ok=True)
        with files.open(name, "wb") as file:
            file.write(tree[name])


def _firmware_in(files: LittleFS) -> dict[str, bytes]:
    names = [name for name in _walk(files, "/") if name.startswith(_FIRMWARE)]
    return {name: _read(files, name) or b"" for name in names}


def _walk(files: LittleFS, folder: str) -> list[str]:
    found = []
    for parent, _, names in files.walk(folder):
        found += [f"{parent.rstrip('/')}/{name}" for name in names]
    return sorted(found)


def _read(files: LittleFS, name: str) -> bytes | None:
    try:
        with files.open(name, "rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def _remove(files: LittleFS, place: str) -> None:
    try:
        files.remove(place, recursive=True)
    except FileNotFoundError:
        return
