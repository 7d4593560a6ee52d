"""Status lists and documents on a real LittleFS: `micropython status_run.py MODE SEED STEPS`.

Modes: `images` rebuilds what every cut leaves (each operation lost, or torn in three ways), boots
it and brings the next list; `twice` cuts that as well; `glitches` fails one operation at a time
while the lock lives on; `deletes_first` and `trusts_heads` are `images` with a storage or a store
that makes that mistake; `cost` counts what 2,000 entries take. Prints one JSON line.
"""

import json
import sys

from firmware.core import statusstore
from firmware.core.documents import DocumentStore
from firmware.core.statusstore import StatusStore
from firmware.hal.storage import FileStorage
from protocol import reasons
from protocol.crypto import sha256
from protocol.session import OK
from protocol.shim import Callable
from protocol.statuslist import ENTRY_BYTES, HOUR_S
from simulator.chip.cut_flash import LOST, WAYS, CutFlash, perform, tear
from tests.firmware.chips import status_lists as lists
from tests.firmware.chips.cut_bench import Dice, formatted, mount, unmount

ROOT = "/cut/data"
KEYSET, CONFIG = "keyset", "config"
FAILURES = (AssertionError, OSError, ValueError)


def document(name: str, version: int) -> bytes:
    """What the signed document `name` says in this version: one block, or less."""
    return sha256(name.encode(), b"%d" % version) * (1 + version * 7 % 40)


_made = {}


def entries(version: int) -> bytes:
    """The list of this version, in memory: each adds some, and drops some that are past."""
    if version not in _made:
        _made[version] = _entries(version)
    return _made[version]


def _entries(version: int) -> bytes:
    hour = lists.HOUR + version
    found = set()
    for back in range(7):
        for number in range((version - back) * 13 % 45 if back < version else 0):
            name = (version - back) * 1000003 + number * 7919
            found.add(lists.raw_entry(name % (1 << 48), hour - back + 6))
    return lists.pack(found)


def additions(version: int) -> bytes:
    """What a delta from the version before brings."""
    return lists.pack(_rows(entries(version)) - _rows(entries(version - 1)))


def _rows(raw: bytes) -> set:
    return set(raw[at : at + ENTRY_BYTES] for at in range(0, len(raw), ENTRY_BYTES))


class Life:
    """One life on `flash`; `acknowledged`: (operations so far, name, version)."""

    def __init__(self, flash: CutFlash, dice: Dice, versions: dict | None = None) -> None:
        self.acknowledged = []
        self._flash = flash
        self._dice = dice
        self.versions = versions or {"status": 0, KEYSET: 0, CONFIG: 0}
        self.boot()

    def boot(self) -> None:
        self._storage = FileStorage(ROOT)
        self.status = StatusStore(self._storage, lists.LOCK)
        self._documents = {name: DocumentStore(self._storage, name) for name in (KEYSET, CONFIG)}

    def live(self, steps: int) -> None:
        """Each step is tried again once: a single failed operation may cost one answer."""
        chores = (self._whole, self._save, self._delta, self._give_up, self._restart)
        for step in range(steps):
            chore = chores[step if step < len(chores) else self._dice.below(len(chores))]
            chore() or chore() or self._fail()

    def _fail(self) -> None:
        assert self._flash.dead, "two answers were refused in a row though the flash lives"
        raise OSError(5)

    def _whole(self) -> bool:
        version = self.versions["status"] + 1
        raw = entries(version)
        lo = (lists.HOUR + version) * HOUR_S
        listed = lists.signed(version, raw, lists.HOUR + version, lo)
        return self._note("status", version, lists.bring(self.status, listed, raw, lo, 496))

    def _delta(self) -> bool:
        version = self.versions["status"] + 1
        if self.status.current.version != version - 1:
            return self._whole()  # a refused one may be there all the same
        lo = (lists.HOUR + version) * HOUR_S
        listed = lists.signed(version, entries(version), lists.HOUR + version, lo)
        added = additions(version)
        result = self.status.take_delta(listed, version - 1, added, lo, lists.trusted)
        return self._note("status", version, result)

    def _give_up(self) -> bool:
        """A phone leaves in the middle."""
        version = self.versions["status"] + 2
        raw, lo = entries(version), (lists.HOUR + version) * HOUR_S
        listed = lists.signed(version, raw, lists.HOUR + version, lo)
        reason, _ = self.status.take_part(listed, 0, raw[:-8], lo, lists.trusted)
        assert reason in (OK, reasons.STORAGE), reason
        return True

    def _save(self) -> bool:
        for name in (KEYSET, CONFIG):
            version = self.versions[name] + 1
            try:
                self._documents[name].save(document(name, version), version)
            except OSError:
                return False
            self._note(name, version, (OK, None))
        return True

    def _restart(self) -> bool:
        unmount()
        mount(self._flash)
        self.boot()
        return True

    def _note(self, name: str, version: int, result: tuple) -> bool:
        assert result in ((OK, None), (reasons.STORAGE, None)), result
        if result[0] == OK:
            self.versions[name] = version
            self.acknowledged.append((self._flash.operations, name, version))
        return result[0] == OK


def newest(acknowledged: list, operations: int) -> dict:
    """{name: version} of what was acknowledged by then."""
    versions = {"status": 0, KEYSET: 0, CONFIG: 0}
    for at, name, version in acknowledged:
        if at <= operations:
            versions[name] = max(versions[name], version)
    return versions


def check(image: bytearray, versions: dict, dice: Dice) -> None:
    """Boot what is left: complete lists and documents, none below `versions`; then the next."""
    flash = CutFlash(image)
    mount(flash)
    try:
        life = Life(flash, dice, dict(versions))
        _check_held(life, versions)
        life.versions["status"] = life.status.current.version
        assert life._delta(), "the next list was refused"
        life.boot()
        _check_held(life, life.versions)
    finally:
        unmount()


def _check_held(life: Life, versions: dict) -> None:
    version = life.status.current.version
    assert versions["status"] <= version <= versions["status"] + 1, "another list is in force"
    assert lists.held(life.status) == entries(version), "the list is not whole"
    for name in (KEYSET, CONFIG):
        wanted = [document(name, versions[name] + more) for more in (0, 1)]
        if not versions[name]:
            wanted[0] = None
        assert life._documents[name].load() in wanted, "another document"


def stumble(image: bytearray, versions: dict, dice: Dice) -> dict:
    """Boot what a cut has left, bring a list and cut that too; what is acknowledged then."""
    flash = CutFlash(image, cut_at=dice.below(12), tear_with=(dice.below(4), dice.random_bytes))
    life = None
    try:
        mount(flash)
        life = Life(flash, dice, dict(versions))
        life.versions["status"] = life.status.current.version
        life._whole()
    except OSError:
        pass
    unmount()
    return versions if life is None else life.versions


def record(seed: int, steps: int) -> tuple:
    blank, log = formatted(), []
    flash = CutFlash(bytearray(blank), log=log)
    mount(flash)
    life = Life(flash, Dice(seed))
    life.live(steps)
    unmount()
    return blank, log, life


def images(seed: int, steps: int, more: Callable | None = None) -> dict:
    image, log, life = record(seed, steps)
    dice, cuts, failures, first = Dice(seed + 1), 0, 0, None
    for at in range(len(log) + 1):
        versions = newest(life.acknowledged, at)
        for way in WAYS if at < len(log) else (LOST,):
            left = bytearray(image)
            if at < len(log):
                tear(left, log[at][0], log[at][1], way, dice.random_bytes)
            cuts += 1
            try:
                check(left, more(left, versions, dice) if more else versions, dice)
            except FAILURES as error:
                failures += 1
                first = first or f"cut {at} way {way}: {error!r}"
        if at < len(log):
            perform(image, log[at][0], log[at][1])
    return {
        "operations": len(log),
        "cuts": cuts,
        "versions": life.versions,
        "failures": failures,
        "first": first,
    }


def twice(seed: int, steps: int) -> dict:
    return images(seed, steps, stumble)


def _born(flash: CutFlash, dice: Dice) -> Life:
    """A boot that fails because the folder cannot be made is followed by another."""
    try:
        return Life(flash, dice)
    except OSError:
        return Life(flash, dice)


def glitches(seed: int, steps: int) -> dict:
    blank, log, _ = record(seed, steps)
    dice, failures, first = Dice(seed + 1), 0, None
    for at in range(len(log)):
        flash = CutFlash(bytearray(blank), glitch_at=at)
        try:
            mount(flash)
            life = _born(flash, Dice(seed))
            life.live(steps)
            unmount()
            check(bytearray(flash.image), newest(life.acknowledged, flash.operations), dice)
        except FAILURES as error:
            unmount()
            failures += 1
            first = first or f"glitch {at}: {error!r}"
    return {"operations": len(log), "cuts": len(log), "failures": failures, "first": first}


def deletes_first(seed: int, steps: int) -> dict:
    """One file for a document, on a storage that makes room before it writes."""
    DocumentStore._newest, newest_of = _only_first, DocumentStore._newest
    DocumentStore.load = lambda store: newest_of(store)[2]
    whole = FileStorage.write

    def write(self, name: str, data: bytes) -> None:
        self.delete(name)
        whole(self, name, data)

    FileStorage.write = write
    return images(seed, steps)


def _only_first(store: DocumentStore) -> tuple:
    return store._names[1], -1, None


def trusts_heads(seed: int, steps: int) -> dict:
    """A store that boots the newest list without looking at its entries."""
    statusstore._Kept.is_whole = lambda kept: True
    return images(seed, steps)


def cost(seed: int, count: int) -> dict:
    """Programme and erase operations of `count` entries brought whole, then of a delta of ten."""
    flash = CutFlash(formatted())
    mount(flash)
    store = StatusStore(FileStorage(ROOT), lists.LOCK)
    hour = lists.HOUR + 100
    rows = [lists.raw_entry(name * 7919 + seed, hour) for name in range(count)]
    found = {"operations": [], "erases": [], "programmed_bytes": []}
    for version, few in ((1, count - 10), (2, count)):
        before = flash.operations, flash.erases, flash.programmed_bytes
        raw = lists.pack(set(rows[:few]))
        listed = lists.signed(version, raw)
        if version == 1:
            assert lists.bring(store, listed, raw) == (OK, None)
        else:
            added = lists.pack(set(rows[count - 10 :]))
            assert store.take_delta(listed, 1, added, lists.NOW, lists.trusted) == (OK, None)
        found["operations"].append(flash.operations - before[0])
        found["erases"].append(flash.erases - before[1])
        found["programmed_bytes"].append(flash.programmed_bytes - before[2])
    unmount()
    return found


def main(mode: str, seed: int, steps: int) -> None:
    modes = {"images": images, "twice": twice, "glitches": glitches, "cost": cost}
    modes.update({"deletes_first": deletes_first, "trusts_heads": trusts_heads})
    print(json.dumps(modes[mode](seed, steps)))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
