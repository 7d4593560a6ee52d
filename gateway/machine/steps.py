"""What a housekeeping visit wants done or has found out. Values; decides nothing.

Say(message)                   to the lock
Learnt(state)                  the lock's state, under its MAC
Fetched()                      the outbox has one event more
PartTaken()                    the lock has one more part of a status list
Carried(what, version)         the lock holds this version of this kind of document now
NotCarried(what, error)        the lock refuses the pending document for good
AskTime(nonce)                 have the town sign the time for this nonce
TimeJudged(taken)              the lock has looked at the signed answer
TokenJudged(id, error)         the lock has taken the token of this command, or never will
Remark(text)                   for the log
Finished()                     the visit is over; nothing is left
Failed(why, authentic)         it is over; authentic when the lock itself said so
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.machine.ports import What
from kannuki.messages import LockState


class Broken(Exception):
    """The lock says something that no lock of ours should say: the visit fails."""


@dataclass(frozen=True)
class Say:
    """A message for the lock."""

    message: bytes


@dataclass(frozen=True)
class Learnt:
    """The lock's state."""

    state: LockState


@dataclass(frozen=True)
class Fetched:
    """The outbox holds one more event."""


@dataclass(frozen=True)
class PartTaken:
    """The lock has one more part of a status list."""


@dataclass(frozen=True)
class Carried:
    """The lock holds this version, or a later one."""

    what: What
    version: int


@dataclass(frozen=True)
class NotCarried:
    """The pending document cannot be given to this lock."""

    what: What
    error: str


@dataclass(frozen=True)
class AskTime:
    """The lock should be brought a signed time that answers this nonce."""

    nonce: bytes


@dataclass(frozen=True)
class TimeJudged:
    """The lock has taken the signed time, or would not have it."""

    taken: bool


@dataclass(frozen=True)
class TokenJudged:
    """The lock has checked a token ahead of its use; `error`: it is not good there."""

    command_id: str
    error: str | None


@dataclass(frozen=True)
class Remark:
    """Something for the log."""

    text: str


@dataclass(frozen=True)
class Finished:
    """All done."""


@dataclass(frozen=True)
class Failed:
    """Not done."""

    why: str
    authentic: bool = False


Step = (
    Say
    | Learnt
    | Fetched
    | PartTaken
    | Carried
    | NotCarried
    | AskTime
    | TimeJudged
    | TokenJudged
    | Remark
    | Finished
    | Failed
)
