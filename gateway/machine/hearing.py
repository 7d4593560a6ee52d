"""Which locks are still in the air: a lock that advertises is there, whether visited or not.

Decides from sightings and from how long somebody has listened when a lock is *missed* (worth a look
at once) and when it is *gone* (told to the town as out of reach). Does not scan, connect or tell.
A lock advertises ten times a second, so a few seconds of listening without it mean something; time
in which nobody listens because a connection is being made means nothing and does not count. When
the radio itself does not work for gone_after_s (no adapter, no Bluetooth service), no lock is in
reach. Anybody can advertise under a lock's name: being heard proves nothing, and a lock that is
heard is visited all the same.

Invariant: each silence is told once as missed and once as gone, never for a lock that is heard.
Every `at` is monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.machine.values import Settings


@dataclass
class _Silence:
    """Since when a lock was not heard: as the clock goes, and as we listened."""

    since_at: float
    listened_s: float
    is_missed: bool = False
    is_gone: bool = False


class Hearing:
    """A lock counts as heard when it is added: one that is not there is found out as well."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._silences: dict[str, _Silence] = {}
        self._listened_s = 0.0
        self._listening_since: float | None = None
        self._broken_since: float | None = None

    def add(self, lock: str, at: float) -> None:
        """This lock is ours."""
        self._silences.setdefault(lock, _Silence(at, self._listened(at)))

    def remove(self, lock: str) -> None:
        """It is ours no longer."""
        self._silences.pop(lock, None)

    def listening(self, is_on: bool, at: float) -> None:
        """Somebody began, or ceased, to listen."""
        if is_on == (self._listening_since is not None):
            return
        self._listened_s = self._listened(at)
        self._listening_since = at if is_on else None

    def radio(self, works: bool, at: float) -> None:
        """The radio of this computer works, or does not."""
        if works:
            self._broken_since = None
        elif self._broken_since is None:
            self._broken_since = at

    def heard(self, lock: str, at: float) -> None:
        """A sign of life: an advertisement, or words over a link."""
        if lock in self._silences:
            self._silences[lock] = _Silence(at, self._listened(at))

    def is_missed(self, lock: str) -> bool:
        """Whether it has been silent for so long that one failure to reach it is enough."""
        silence = self._silences.get(lock)
        return silence is not None and silence.is_missed

    def newly_missed(self, at: float) -> list[str]:
        """Locks silent for silent_after_s."""
        found = self._silent(at, self._settings.silent_after_s)
        fresh = [lock for lock in found if not self._silences[lock].is_missed]
        for lock in fresh:
            self._silences[lock].is_missed = True
        return fresh

    def newly_gone(self, at: float) -> list[str]:
        """Locks silent for gone_after_s, whether or not there was time to look for them."""
        found = self._silent(at, self._settings.gone_after_s)
        if self._broken_since is not None:
            found = [lock for lock in self._silences if at >= self._lost_at(lock)]
        fresh = [lock for lock in found if not self._silences[lock].is_gone]
        for lock in fresh:
            self._silences[lock].is_gone = True
        return fresh

    def next_due_at(self) -> float | None:
        """When a lock becomes missed or gone, should it stay silent and we go on listening."""
        if self._broken_since is not None:
            staying = [lock for lock, each in self._silences.items() if not each.is_gone]
            return min(map(self._lost_at, staying), default=None)
        if self._listening_since is None:
            return None
        settings, since = self._settings, self._listening_since
        times = []
        for each in self._silences.values():
            if each.is_gone and each.is_missed:
                continue
            after_s = settings.gone_after_s if each.is_missed else settings.silent_after_s
            enough_at = since + settings.listen_at_least_s + each.listened_s - self._listened_s
            times.append(max(each.since_at + after_s, enough_at))
        return min(times, default=None)

    def _lost_at(self, lock: str) -> float:
        """When a lock is gone, should the radio stay broken."""
        assert self._broken_since is not None
        return max(self._broken_since, self._silences[lock].since_at) + self._settings.gone_after_s

    def _silent(self, at: float, after_s: float) -> list[str]:
        """Those not heard for so long, and for enough of it by somebody who listened."""
        if self._listening_since is None:
            return []
        settings, since = self._settings, self._listening_since
        return [
            lock
            for lock, each in self._silences.items()
            if at >= each.since_at + after_s
            and at >= since + settings.listen_at_least_s + each.listened_s - self._listened_s
        ]

    def _listened(self, at: float) -> float:
        """Seconds of listening in all."""
        if self._listening_since is None:
            return self._listened_s
        return self._listened_s + at - self._listening_since
