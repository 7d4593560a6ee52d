"""Cuts a lock's story everywhere: `micropython cut_run.py MODE SEED STEPS` prints one JSON line.

Modes: `images` rebuilds what every cut leaves (each operation lost, or torn in three ways) and
boots it; `twice` cuts that boot as well; `lives` lives the story anew for every cut, so that the
lock itself meets a dying flash; `glitches` fails one operation at a time while the lock lives on;
`deletes_first` and `acknowledges_early` are `images` with a storage that makes that mistake.
"""

import json
import sys

from firmware.hal.storage import FileStorage
from simulator.chip.cut_flash import WAYS, CutFlash
from tests.firmware.chips import cut_story as story
from tests.firmware.chips.cut_bench import Dice, every_cut, formatted


def _recorded(seed: int, steps: int) -> tuple:
    """(formatted image, log of operations, acknowledgements) of a life without a cut."""
    blank = formatted()
    log = []
    life = story.Life(CutFlash(bytearray(blank), log=log), seed)
    life.live(steps)
    return blank, log, life.acknowledged


def images(seed: int, steps: int, twice: bool = False) -> dict:
    image, log, acknowledged = _recorded(seed, steps)
    dice, cuts, failures, first = Dice(seed + 1), 0, 0, None
    for at, way, left in every_cut(image, log, dice):
        cuts += 1
        try:
            more = story.stumble(left, at, dice) if twice else []
            story.check(left, acknowledged + more, at, dice)
        except (AssertionError, OSError, ValueError) as error:
            failures += 1
            first = first or f"cut {at} way {way}: {error!r}"
    records = sum(1 for _, name, _ in acknowledged if name is None)
    return {
        "operations": len(log),
        "cuts": cuts,
        "records": records,
        "failures": failures,
        "first": first,
    }


def twice(seed: int, steps: int) -> dict:
    return images(seed, steps, True)


def lives(seed: int, steps: int) -> dict:
    dice = Dice(seed + 2)
    return _again(seed, steps, "cut_at", lambda at: (WAYS[at % len(WAYS)], dice.random_bytes))


def glitches(seed: int, steps: int) -> dict:
    return _again(seed, steps, "glitch_at", lambda at: None)


def deletes_first(seed: int, steps: int) -> dict:
    """A storage with one file for two, which makes room before it writes: must be found out."""
    whole = FileStorage.write

    def write(self, name: str, data: bytes) -> None:
        name = name[:-2] + ".a" if name.endswith(".b") else name
        self.delete(name)
        whole(self, name, data)

    FileStorage.write = write
    return images(seed, steps)


def acknowledges_early(seed: int, steps: int) -> dict:
    """A storage that keeps the newest record in RAM: the cuts must find it out."""
    really, late = FileStorage.append, []

    def append(self, name: str, data: bytes) -> None:
        late.append((name, data))
        if len(late) > 1:
            really(self, *late.pop(0))

    FileStorage.append = append
    return images(seed, steps)


def _again(seed: int, steps: int, how: str, tear_at: object) -> dict:
    blank, log, _ = _recorded(seed, steps)
    dice, failures, first = Dice(seed + 1), 0, None
    for at in range(len(log)):
        flash = CutFlash(bytearray(blank), tear_with=tear_at(at), **{how: at})
        life = story.Life(flash, seed)
        try:
            life.live(steps)
            story.check(bytearray(flash.image), life.acknowledged, flash.operations, dice)
        except (AssertionError, OSError, ValueError) as error:
            failures += 1
            first = first or f"{how} {at}: {error!r}"
    return {"operations": len(log), "cuts": len(log), "failures": failures, "first": first}


def main(mode: str, seed: int, steps: int) -> None:
    story.prepare()
    modes = {"images": images, "twice": twice, "lives": lives, "glitches": glitches}
    modes.update({"deletes_first": deletes_first, "acknowledges_early": acknowledges_early})
    print(json.dumps(modes[mode](seed, steps)))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
