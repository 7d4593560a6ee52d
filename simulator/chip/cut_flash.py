"""A NOR flash in RAM whose power can be cut at any programme or erase operation.

Decides what a cut leaves behind: everything before it, nothing after it, and of the operation that
it hit whatever `torn` makes of it. Programming only clears bits, as in a real flash, so a file
system that forgets to erase is found out. Runs on MicroPython, in the shape `os.VfsLfs2` wants.
"""

BLOCK_BYTES = 4096
_EIO = 5
_BLOCK_COUNT, _BLOCK_SIZE, _ERASE = 4, 5, 6

# What becomes of the operation that the cut hits.
LOST, HALF, OTHER_HALF, NOISE = range(4)
WAYS = (LOST, HALF, OTHER_HALF, NOISE)


class CutFlash:
    """`cut_at`: this operation (counted from 0) and all later ones fail, reads too; None: never.

    `tear_with`: (way, random_bytes) for what the operation that the cut hits leaves behind.
    `glitch_at`: this one operation fails and leaves nothing; the flash lives on. `log`: a list that
    takes every operation as (offset, data), data None for an erase.
    """

    def __init__(
        self,
        image: bytearray,
        cut_at: int | None = None,
        glitch_at: int | None = None,
        log: list | None = None,
        tear_with: tuple | None = None,
    ) -> None:
        self.image = image
        self.operations = 0
        self.programmed_bytes = 0
        self.erases = 0
        self.dead = False
        self._cut_at = cut_at
        self._glitch_at = glitch_at
        self._log = log
        self._tear_with = tear_with

    def readblocks(self, block: int, buffer: object, offset: int = 0) -> int:
        if self.dead:
            return -_EIO
        start = block * BLOCK_BYTES + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]
        return 0

    def writeblocks(self, block: int, buffer: object, offset: int = 0) -> int:
        return self._operate(block * BLOCK_BYTES + offset, bytes(buffer))

    def ioctl(self, op: int, arg: int) -> int:
        if op == _BLOCK_COUNT:
            return len(self.image) // BLOCK_BYTES
        if op == _BLOCK_SIZE:
            return BLOCK_BYTES
        if op == _ERASE:
            return self._operate(arg * BLOCK_BYTES, None)
        return 0  # init, deinit, sync

    def _operate(self, offset: int, data: bytes | None) -> int:
        now, self.operations = self.operations, self.operations + 1
        if now == self._cut_at:
            self.dead = True
            if self._tear_with is not None:
                tear(self.image, offset, data, *self._tear_with)
        if self.dead or now == self._glitch_at:
            return -_EIO
        if self._log is not None:
            self._log.append((offset, data))
        perform(self.image, offset, data)
        if data is None:
            self.erases += 1
        else:
            self.programmed_bytes += len(data)
        return 0


def perform(image: bytearray, offset: int, data: bytes | None) -> None:
    """Programme `data` at `offset`, or erase the block there."""
    if data is None:
        image[offset : offset + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return
    if image[offset : offset + len(data)] == b"\xff" * len(data):
        image[offset : offset + len(data)] = data
        return
    for i in range(len(data)):
        image[offset + i] &= data[i]


def tear(image: bytearray, offset: int, data: bytes | None, way: int, random_bytes) -> None:
    """What the operation leaves when the power goes in the middle of it, in one of WAYS."""
    size = BLOCK_BYTES if data is None else len(data)
    wanted = b"\xff" * size if data is None else data
    before = bytes(image[offset : offset + size])
    if way == LOST:
        return
    if way == NOISE:
        after = random_bytes(size) if data is None else _some_bits(before, wanted, random_bytes)
    elif way == HALF:
        after = wanted[: size // 2] + before[size // 2 :]
    else:
        after = before[: size // 2] + wanted[size // 2 :]
    image[offset : offset + size] = after


def _some_bits(before: bytes, wanted: bytes, random_bytes) -> bytes:
    """Each bit that had to be cleared was cleared or not."""
    chance = random_bytes(len(wanted))
    return bytes(before[i] & (wanted[i] | chance[i]) for i in range(len(wanted)))
