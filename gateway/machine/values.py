"""The values that go in and out of the gateway's machine.

Decides no conduct. Time comes in as `Now`: `wall` is the town's clock (Unix seconds) and is only
compared with what others wrote down; `at` is a monotonic clock, and every timer runs on it, so a
jump of the wall clock moves no timer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kannuki import messages
from kannuki.messages import Message

# Why a link is down, as an adapter says it.
OUT_OF_RANGE = "out of range"  # not seen advertising
NO_RADIO = "no radio"  # this computer's own trouble: no adapter, or no Bluetooth service
CONNECT_FAILED = "connect failed"
LOST = "lost"  # a link that was up went down by itself
CLOSED = "closed"  # on our own Disconnect

# Texts in CommandResult.error that a gateway says by itself.
UNREACHABLE = "UNREACHABLE"
TIMEOUT = "TIMEOUT"
BUSY = "BUSY"
NO_SESSION = "NO_SESSION"
UNKNOWN_LOCK = "UNKNOWN_LOCK"
EXPIRED_COMMAND = "EXPIRED_COMMAND"
TOO_LARGE = "TOO_LARGE"
MALFORMED = "MALFORMED"
REFUSED = "REFUSED"
STORAGE = "STORAGE"


@dataclass(frozen=True)
class Now:
    """One instant on both clocks, in seconds."""

    wall: float
    at: float

    def at_of(self, wall: float) -> float:
        """The monotonic instant of a wall-clock time, as things stand now."""
        return self.at + (wall - self.wall)


@dataclass(frozen=True)
class Settings:
    """What one gateway can be told about its pace. Defaults suit a building's Raspberry Pi."""

    sync_interval_s: float = 60.0
    max_links: int = 3
    first_retry_s: float = 2.0
    max_retry_s: float = 300.0
    unreachable_after: int = 3  # tries in a row
    quick_s: float = 8.0  # a visit that takes longer gives way when others wait
    silent_after_s: float = 20.0  # a lock not heard for so long is looked for (scans last 15 s)
    gone_after_s: float = 40.0  # and after so long is told to be out of reach
    listen_at_least_s: float = 5.0  # of which somebody must have listened: 50 advertisements
    connect_within_s: float = 25.0
    hang_up_within_s: float = 10.0
    round_within_s: float = 30.0  # one housekeeping visit; the rest waits for the next
    reply_within_s: float = 10.0  # one housekeeping answer
    relay_answer_within_s: float = 15.0
    relay_open_within_s: float = 30.0  # waiting for a free link and connecting included
    relay_idle_s: float = 30.0
    relay_yields_after_s: float = 5.0  # a quiet session gives way to a newcomer
    relay_connect_tries: int = 3
    resend_after_s: float = 5.0  # a receiver that connects after us missed the first sending
    outbox_window: int = 50  # events on their way at once
    disk_reserve_bytes: int = 64 << 20  # with less left on the disk, records stay in their locks
    max_records: int = 24  # 24 of 112 bytes fit one message
    status_piece_bytes: int = 1024  # of a status list; a lock holds one piece in memory
    time_doubt_s: float = 10.0  # a lock in more doubt about the time is brought a signed answer
    time_every_s: float = 3600.0  # and so is one whose last answer is older
    time_rests_s: float = 600.0  # after a lock would not have an answer
    time_answer_within_s: float = 4.0  # how long a visit waits for the town's answer at its end


@dataclass(frozen=True)
class Connect:
    """Bring a link to this lock up; `urgent` when someone stands at the door."""

    lock: str
    urgent: bool


@dataclass(frozen=True)
class Send:
    """Write this fragment to the lock, in order."""

    lock: str
    fragment: bytes


@dataclass(frozen=True)
class Disconnect:
    """Hang up, or give up connecting; `link_down` reports when that is done."""

    lock: str


@dataclass(frozen=True)
class Publish:
    """Say this on a channel of a device. expiry_s: worthless afterwards; None: keep trying."""

    channel: str
    device: str
    payload: bytes
    retain: bool = False
    expiry_s: float | None = None

    @property
    def message(self) -> Message:
        """The payload, decoded."""
        return messages.decode(self.channel, self.payload)


@dataclass(frozen=True)
class Note:
    """Something an operator may want to read in the log; never a key, token or name."""

    lock: str
    text: str


Action = Connect | Send | Disconnect | Publish | Note


@dataclass
class Counters:
    """What happened, for metrics and for whoever looks why nothing happens."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, amount: int = 1) -> None:
        """One more of `name`."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)
