"""The lock's side of every connection: slots, fragments, order of messages, deadlines.

Decides who may speak when and for how long; what a proven holder gets is decided in access.py.
Does no I/O: `drain` hands out (SEND, connection, fragment) and (HANG_UP, connection). `at` is
milliseconds that never run backwards. Garbage is counted in `dropped` and ends the connection;
it never raises.

    NEW --HELLO--> CHALLENGED --PRESENTATION--> OPEN (requests) or ENDING
    OPEN --HELLO--> CHALLENGED: once more after documents were brought; or, on the link of a
    housekeeper, a phone's session nested in the gateway's. Whatever is nested counts as relayed.
"""

from firmware.core.access import Access, Asking
from protocol import frames, reasons, session, verify
from protocol.crypto import same_bytes
from protocol.frames import FrameError
from protocol.session import OK, SessionError
from protocol.shim import Any
from protocol.token import MAINTAIN

SEND = "send"
HANG_UP = "hang_up"

MAX_SLOTS = 3
GREET_WITHIN_MS = 5000
PRESENT_WITHIN_MS = 2000
UNPROVEN_WITHIN_MS = 10000
IDLE_WITHIN_MS = 30000
END_WITHIN_MS = 1000

_NEW, _CHALLENGED, _OPEN, _ENDING = range(4)
_DEFAULT_MTU = 23
_ATT_HEADER_BYTES = 3


class Connection:
    """One peer: its slot, its half-received message, and the session it is in."""

    def __init__(self, handle: int, at: int) -> None:
        self.handle = handle
        self.max_fragment = _DEFAULT_MTU - _ATT_HEADER_BYTES
        self.inbox = frames.Reassembler(session.MAX_PRESENTATION_BYTES)
        self.state = _NEW
        self.connected_at = at
        self.deadline = at + GREET_WITHIN_MS
        self.may_greet_until = 0  # a proven peer may begin another session until then
        self.housekeeper = False  # a gateway has introduced itself: what follows is relayed
        self.greeting = (b"", b"")
        self.nonce = self.bound = b""
        self.challenged_at = at
        self.asking = self.key = None
        self.counter = 0

    def proven(self, at: int) -> bool:
        """Whether this peer has shown a good key, now or as the housekeeper whose link it is."""
        if self.housekeeper and at < self.may_greet_until:
            return True
        return self.state == _OPEN and self.asking.reason == OK


class Sessions:
    """All connections of one lock."""

    def __init__(self, lock: Any, access: Access) -> None:
        self.dropped = {}  # reason -> how often an unproven peer was turned away
        self._lock = lock
        self._access = access
        self._connections = {}
        self._out = []

    def drain(self) -> list:
        """Everything to be done since the last call, in order."""
        out, self._out = self._out, []
        return out

    def connected(self, handle: int, at: int) -> None:
        """A central has connected; when slots run out, the oldest unproven one goes."""
        self._connections[handle] = Connection(handle, at)
        if len(self._connections) > MAX_SLOTS:
            unproven = [c for c in self._connections.values() if not c.proven(at)]
            self._evict(min(unproven, key=_seniority))

    def mtu_changed(self, handle: int, mtu: int) -> None:
        """The central has agreed on an ATT MTU, 23 to 517."""
        connection = self._connections.get(handle)
        if connection is not None:
            largest = min(mtu - _ATT_HEADER_BYTES, frames.MAX_FRAGMENT_BYTES)
            connection.max_fragment = max(largest, frames.MIN_FRAGMENT_BYTES)

    def disconnected(self, handle: int) -> None:
        """The link is gone, and with it the session and its nonce."""
        self._connections.pop(handle, None)

    def received(self, handle: int, fragment: bytes, at: int) -> None:
        """One write of a central."""
        connection = self._connections.get(handle)
        if connection is None or connection.state == _ENDING:
            return
        try:
            message = connection.inbox.push(fragment)
            if message is not None:
                self._dispatch(connection, message, at)
        except FrameError:
            self._drop(connection, reasons.MALFORMED, at)
        except SessionError:
            self._drop(connection, reasons.MALFORMED, at)
        except MemoryError:  # a message that this heap cannot hold is refused like any garbage
            connection.inbox = frames.Reassembler(session.MAX_PRESENTATION_BYTES)
            self._drop(connection, reasons.TOO_LARGE, at)

    def tick(self, at: int) -> None:
        """Hang up on everyone who is late."""
        for connection in list(self._connections.values()):
            if at >= connection.deadline:
                self._hang_up(connection)

    # --- messages ---

    def _dispatch(self, connection: Connection, message: bytes, at: int) -> None:
        kind, body = session.split(message)
        if kind == session.HELLO and self._may_greet(connection, at):
            self._on_hello(connection, body, at)
        elif kind == session.PRESENTATION and connection.state == _CHALLENGED:
            self._on_presentation(connection, message, at)
        elif kind == session.REQUEST and connection.state == _OPEN:
            self._on_request(connection, message, at)
        else:
            self._drop(connection, reasons.NO_SESSION, at)

    @staticmethod
    def _may_greet(connection: Connection, at: int) -> bool:
        return connection.state == _NEW or at < connection.may_greet_until

    def _on_hello(self, connection: Connection, body: bytes, at: int) -> None:
        version = session.decode_hello(body)
        if version < session.WIRE_VERSION:
            self._drop(connection, reasons.UNSUPPORTED_VERSION, at)
            return
        nonce = self._lock.crypto.random_bytes(session.NONCE_BYTES)
        challenge = self._lock.challenge(nonce, connection.max_fragment)
        connection.greeting = (bytes([session.HELLO]) + body, challenge)
        connection.nonce, connection.challenged_at = nonce, at
        connection.asking = connection.key = None
        connection.state = _CHALLENGED
        if at < connection.may_greet_until:
            connection.deadline = at + IDLE_WITHIN_MS
        else:
            latest = connection.connected_at + UNPROVEN_WITHIN_MS
            connection.deadline = min(at + PRESENT_WITHIN_MS, latest)
        self._send(connection, challenge)

    def _on_presentation(self, connection: Connection, message: bytes, at: int) -> None:
        lock, relayed = self._lock, connection.housekeeper
        greeting, connection.greeting = connection.greeting, (b"", b"")
        verdict = verify.verify(lock.trust, lock.crypto, lock.now(), greeting, message, relayed)
        if verdict.key is None:
            self._drop(connection, verdict.reason, at)
            return
        outcome = self._access.decide(verdict, relayed, at)
        presentation, mac_h = session.split_mac(message)
        raw = session.encode_outcome(outcome)
        mac = session.outcome_mac(verdict.key, greeting, presentation, mac_h, raw)
        self._send(connection, raw + mac)
        if session.stays_open(outcome.reason):
            connection.bound = session.transcript(greeting, presentation, raw)
            self._open(connection, verdict, outcome.reason, at)
        else:
            self._end(connection, at)

    def _open(self, connection: Connection, verdict: Any, reason: int, at: int) -> None:
        connection.state = _OPEN
        connection.inbox = frames.Reassembler()  # longer messages are for the proven
        nonce, challenged_at = connection.nonce, connection.challenged_at
        kid = verdict.kid if reason == OK else None
        connection.asking = Asking(verdict.token, kid, reason, nonce, challenged_at)
        connection.key, connection.counter = verdict.key, 0
        if reason == OK and verdict.token.permissions & MAINTAIN:
            connection.housekeeper = True
        self._prolong(connection, at)

    @staticmethod
    def _prolong(connection: Connection, at: int) -> None:
        connection.deadline = connection.may_greet_until = at + IDLE_WITHIN_MS

    def _on_request(self, connection: Connection, message: bytes, at: int) -> None:
        request, mac = session.split_mac(message)
        key, bound = connection.key, connection.bound
        if not same_bytes(mac, session.request_mac(key, bound, request)):
            self._drop(connection, reasons.BAD_MAC, at)
            return
        counter, operation, argument = session.decode_request(request[1:])
        if counter != connection.counter + 1:
            self._drop(connection, reasons.NO_SESSION, at)
            return
        connection.counter = counter
        self._prolong(connection, at)
        reason, value = self._access.answer(connection.asking, operation, argument)
        reply = session.encode_reply(counter, reason, value)
        self._send(connection, reply + session.reply_mac(key, bound, request, reply))

    # --- ends ---

    def _drop(self, connection: Connection, reason: int, at: int) -> None:
        """Turn an unproven peer away: counted, told (advisory), never recorded."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._send(connection, session.encode_refusal(reason))
        self._end(connection, at)

    def _evict(self, connection: Connection) -> None:
        """Hang up at once: the slot is wanted."""
        self.dropped[reasons.BUSY] = self.dropped.get(reasons.BUSY, 0) + 1
        self._send(connection, session.encode_refusal(reasons.BUSY))
        self._hang_up(connection)

    def _end(self, connection: Connection, at: int) -> None:
        connection.asking = connection.key = None
        if connection.housekeeper and connection.may_greet_until > at:
            connection.state = _NEW  # the gateway keeps its link and may greet again
            connection.deadline = connection.may_greet_until
            return
        connection.state = _ENDING
        connection.deadline = at + END_WITHIN_MS

    def _hang_up(self, connection: Connection) -> None:
        self._connections.pop(connection.handle, None)
        self._out.append((HANG_UP, connection.handle))

    def _send(self, connection: Connection, message: bytes) -> None:
        for fragment in frames.fragment(message, connection.max_fragment):
            self._out.append((SEND, connection.handle, fragment))


def _seniority(connection: Connection) -> int:
    return connection.connected_at
