"""How residents and housekeeping share a few radio links.

Decides who gets a link, who gives one up, and what becomes of an adapter that does not answer; not
what is said over it. A lock's link goes DOWN -> CONNECTING -> UP -> CLOSING -> DOWN and has one use
at a time. A resident comes first: housekeeping at that lock hangs up at once and keeps its turn,
housekeeping elsewhere gives up its link when none is free.

Housekeeping shares the rest so that no lock starves another. Locks in good standing (scheduler.py)
may use every link, but a visit that outstays `quick_s` gives way when another of them waits.
Suspects (dead, jammed, slow, hostile, or not known yet) leave one link free while nobody waits;
while a lock in good standing waits they have one link at the most and half of its time. So, with
two links or more and hang_up_s for a link to go down, a lock in good standing waits no longer than
one suspect's visit and (its peers + 1) * (quick_s + hang_up_s) / (max_links - 1), whatever the
others do. The suspects' own lane never closes for good, so none of them is given up either.
Invariant: at most `max_links` links are not DOWN.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.machine.link import Link, Phase, Use
from gateway.machine.relay import RelayDesk
from gateway.machine.scheduler import Scheduler
from gateway.machine.values import Action, Connect, Counters, Disconnect, Now, Send, Settings


class LinkShare:
    """The links of all locks. `interrupted(lock)`: housekeeping there is over, before its end."""

    def __init__(
        self,
        settings: Settings,
        scheduler: Scheduler,
        relays: RelayDesk,
        actions: list[Action],
        counters: Counters,
        interrupted: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._relays = relays
        self._actions = actions
        self._counters = counters
        self._interrupted = interrupted
        self._links: dict[str, Link] = {}
        self._leaving: set[str] = set()  # no longer ours, but not DOWN yet
        self._suspects: dict[str, float] = {}  # whose links are not DOWN -> connected from
        self._suspects_rest_until_at = float("-inf")

    # --- which locks ---

    def add(self, lock: str) -> None:
        """This lock is ours."""
        self._links.setdefault(lock, Link())
        self._leaving.discard(lock)

    def let_go(self, lock: str, now: Now) -> None:
        """It is ours no longer."""
        self.hang_up(lock, now)
        self._leaving.add(lock)
        self._forget_if_down(lock)

    def find(self, lock: str, *phases: Phase) -> Link | None:
        """The lock's link when it is in one of these phases."""
        link = self._links.get(lock)
        return link if link is not None and link.phase in phases else None

    def is_for(self, lock: str, use: Use) -> bool:
        """Whether the link is wanted for `use`, up or not yet."""
        return self._links[lock].use is use

    def in_use(self, use: Use) -> int:
        """How many links are wanted for `use`, up or not yet."""
        return sum(link.use is use for link in self._links.values())

    # --- who gets one ---

    def share(self, now: Now) -> None:
        """Connects whoever can be connected now."""
        if not self._serve_residents(now):
            self._serve_due(now)

    def _serve_residents(self, now: Now) -> bool:
        """Connects relays that wait for a link; True when there are fewer links than residents."""
        waiting = 0
        for lock in self._relays.wants_link():
            link = self._links[lock]
            if link.use is Use.HOUSEKEEPING:
                self._give_to_resident(lock, link, now)
            elif link.phase is Phase.DOWN and self._free() > 0:
                self._connect(lock, Use.RELAY, now)
            elif link.phase is Phase.DOWN:
                waiting += 1
        self._make_room(waiting, now)
        return waiting > 0

    def _give_to_resident(self, lock: str, link: Link, now: Now) -> None:
        """The same lock: a connection being made is taken over, one in use is ended."""
        if link.phase is Phase.CONNECTING:
            link.use = Use.RELAY
            self._suspects.pop(lock, None)
            self._scheduler.put_off(lock, now.at)
        else:
            self._interrupt(lock, now)

    def _make_room(self, wanted: int, now: Now) -> None:
        """Other locks' housekeeping hangs up, those still connecting first."""
        wanted -= sum(link.phase is Phase.CLOSING for link in self._links.values())
        victims = [lk for lk, link in self._links.items() if link.use is Use.HOUSEKEEPING]
        victims.sort(key=lambda lock: self._links[lock].phase is Phase.UP)
        for lock in victims[: max(0, wanted)]:
            self._interrupt(lock, now)

    def _interrupt(self, lock: str, now: Now) -> None:
        self._interrupted(lock)
        self._scheduler.put_off(lock, now.at)
        self._counters.add("visits_interrupted")
        self.hang_up(lock, now)

    def _serve_due(self, now: Now) -> None:
        while self._free() > 0 and self._serve_one(now):
            pass
        if self._free() <= 0:
            self._end_one_that_outstays(now)

    def _serve_one(self, now: Now) -> bool:
        """Connects to the first lock that may be visited now."""
        waiting = self._waiting(now)
        good_waits = not all(map(self._scheduler.is_suspect, waiting))
        for lock in waiting:
            is_suspect = self._scheduler.is_suspect(lock)
            if is_suspect and not self._has_room_for_suspect(good_waits, now):
                continue
            if is_suspect:
                self._suspects[lock] = now.at
            self._scheduler.started(lock, now.at)
            self._connect(lock, Use.HOUSEKEEPING, now)
            return True
        return False

    def _waiting(self, now: Now) -> list[str]:
        idle = set(self._idle())
        return [lock for lock in self._scheduler.due(now.at) if lock in idle]

    def _has_room_for_suspect(self, good_waits: bool, now: Now) -> bool:
        if good_waits:
            return not self._suspects and now.at >= self._suspects_rest_until_at
        return len(self._suspects) < self._most_suspects()

    def _most_suspects(self) -> int:
        return max(1, self._settings.max_links - 1)

    def _end_one_that_outstays(self, now: Now) -> None:
        """A lock in good standing that waits gets the link of one that is not as quick."""
        if self._room_is_made():
            return
        overstaying = [lock for lock, ends_at in self._slices() if now.at >= ends_at]
        if overstaying and not all(map(self._scheduler.is_suspect, self._waiting(now))):
            lock = overstaying[0]
            self._interrupted(lock)
            self._scheduler.cut_short(lock, now.at)
            self._counters.add("visits_cut_short")
            self.hang_up(lock, now)

    def _room_is_made(self) -> bool:
        return any(link.is_closing_soon for link in self._links.values())

    def _slices(self) -> list[tuple[str, float]]:
        """Visits to locks in good standing, and until when each is undisturbed."""
        return [
            (lock, link.began_at + self._settings.quick_s)
            for lock, link in self._links.items()
            if link.use is Use.HOUSEKEEPING and lock not in self._suspects
        ]

    def _idle(self) -> list[str]:
        return [
            lock
            for lock, link in self._links.items()
            if link.phase is Phase.DOWN and not self._relays.has(lock)
        ]

    def _free(self) -> int:
        taken = sum(link.phase is not Phase.DOWN for link in self._links.values())
        return self._settings.max_links - taken

    def _connect(self, lock: str, use: Use, now: Now) -> None:
        self._links[lock].connecting(use, now.at, now.at + self._settings.connect_within_s)
        self._actions.append(Connect(lock, urgent=use is Use.RELAY))

    # --- what happens to one ---

    def say(self, lock: str, message: bytes) -> None:
        """Sends a whole message, if the link is up."""
        link = self._links[lock]
        if link.phase is Phase.UP:
            self._actions.extend(Send(lock, fragment) for fragment in link.cut(message))

    def hang_up(self, lock: str, now: Now) -> None:
        """Ends a connection, or the making of one."""
        link = self._links[lock]
        if link.phase in (Phase.CONNECTING, Phase.UP):
            link.closing(now.at + self._settings.hang_up_within_s)
            self._actions.append(Disconnect(lock))

    def down(self, lock: str, now: Now) -> Use | None:
        """The link is gone; what it was used for, or None when we hung up."""
        link = self._links[lock]
        use = link.use
        link.down()
        began_at = self._suspects.pop(lock, None)
        if began_at is not None:
            self._suspects_rest_until_at = 2 * now.at - began_at  # as long as it held the link
        self._forget_if_down(lock)
        return use

    def give_up_overdue(self, now: Now) -> list[tuple[str, Use | None]]:
        """Ends connections that take too long to make; which, and what for.

        An adapter that says nothing is told once more; the link is not lent out meanwhile.
        """
        failed = []
        for lock, link in self._links.items():
            if not link.overdue(now):
                continue
            self._counters.add("links_overdue")
            if link.phase is Phase.CONNECTING:
                failed.append((lock, link.use))
            link.closing(now.at + self._settings.hang_up_within_s)
            self._actions.append(Disconnect(lock))
        return failed

    def next_due_at(self) -> float | None:
        """When something is overdue, or somebody's turn."""
        times = [
            link.deadline_at
            for link in self._links.values()
            if link.phase in (Phase.CONNECTING, Phase.CLOSING)
        ]
        times += [at for at in (self._next_turn_at(), self._next_slice_end_at()) if at is not None]
        return min(times, default=None)

    def _next_turn_at(self) -> float | None:
        """When a lock is due that a link is free for. (A link that comes free is an event.)"""
        if self._free() <= 0:
            return None
        served = self._idle()
        if len(self._suspects) >= self._most_suspects():
            served = [lock for lock in served if not self._scheduler.is_suspect(lock)]
        return self._scheduler.next_due_at(served)

    def _next_slice_end_at(self) -> float | None:
        """When a visit has to give way, should somebody be waiting for its link by then."""
        if self._free() > 0 or self._room_is_made():
            return None
        slices = self._slices()
        good = [lock for lock in self._idle() if not self._scheduler.is_suspect(lock)]
        due_at = self._scheduler.next_due_at(good)
        if not slices or due_at is None:
            return None
        return max(due_at, min(ends_at for _, ends_at in slices))

    def _forget_if_down(self, lock: str) -> None:
        if lock in self._leaving and self._links[lock].phase is Phase.DOWN:
            self._leaving.discard(lock)
            del self._links[lock]
