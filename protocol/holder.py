"""The holder's side of a session: a phone, a gateway doing housekeeping, a technician's bench.

Decides what to say next and whether the lock's answer is genuine; moves no bytes and reads no
clock. Feed it whole messages from the lock with `receive`; it returns events, tuples whose first
member is one of the names below. Wrong room is noticed here, before anything is presented.

    (SEND, message)                 pass this on to the lock
    (WRONG_ROOM, lock_id)           this door is another one than the token's
    (OUTCOME, Outcome)              the lock's authenticated answer
    (REPLY, reason, value)          the lock's authenticated reply to a request
    (ADVISORY, reason)              the lock, or anyone in between, says this; not authenticated
    (BROKEN, text)                  the answer is not genuine: close the connection
"""

from protocol import session
from protocol import token as tokens
from protocol.cose import CoseError
from protocol.crypto import same_bytes
from protocol.session import SessionError
from protocol.shim import Any, Callable
from protocol.token import TokenError

SEND = "send"
WRONG_ROOM = "wrong_room"
OUTCOME = "outcome"
REPLY = "reply"
ADVISORY = "advisory"
BROKEN = "broken"

_START, _GREETED, _PRESENTED, _OPEN, _ASKED, _CLOSED = range(6)


class CredentialError(ValueError):
    """The token at hand cannot be read, so there is nothing to present."""


class Credential:
    """A token and the proof keys that go with it: {lock id: key}, one each for a group's locks."""

    def __init__(self, raw_token: bytes, proof_keys: dict) -> None:
        self.raw_token = raw_token
        self.proof_keys = proof_keys
        try:
            _, self.token = tokens.parse(raw_token)
        except (CoseError, TokenError) as error:
            raise CredentialError(str(error))


class HolderSession:
    """One connection, one attempt."""

    def __init__(self, credential: Credential, command: int, random_bytes: Callable) -> None:
        self.challenge = None  # protocol.session.Challenge, once seen
        self._credential = credential
        self._command = command
        self._random_bytes = random_bytes
        self._state = _START
        self._key = b""
        self._greeting = (b"", b"")
        self._presentation = self._mac = b""
        self._bound = self._request = b""
        self._counter = 0

    def start(self) -> list:
        """The first message."""
        self._state = _GREETED
        self._greeting = (session.encode_hello(), b"")
        return [(SEND, self._greeting[0])]

    def receive(self, message: bytes) -> list:
        """Events for one whole message from the lock. Never raises for any bytes."""
        try:
            kind, body = session.split(message)
            return self._receive(kind, body, message)
        except SessionError as error:
            return self._break(str(error))

    def request(self, operation: int, argument: Any) -> list:
        """Ask something of a lock whose outcome left the session open; one request at a time."""
        if self._state != _OPEN:
            raise SessionError("no open session to ask in")
        self._counter += 1
        self._request = session.encode_request(self._counter, operation, argument)
        self._state = _ASKED
        mac = session.request_mac(self._key, self._bound, self._request)
        return [(SEND, self._request + mac)]

    def _receive(self, kind: int, body: bytes, message: bytes) -> list:
        if kind == session.REFUSAL:
            self._state = _CLOSED
            return [(ADVISORY, session.decode_refusal(body))]
        if kind == session.CHALLENGE and self._state == _GREETED:
            return self._on_challenge(body, message)
        if kind == session.OUTCOME and self._state == _PRESENTED:
            return self._on_outcome(message)
        if kind == session.REPLY and self._state == _ASKED:
            return self._on_reply(message)
        return self._break("message out of turn")

    def _on_challenge(self, body: bytes, message: bytes) -> list:
        self.challenge = session.decode_challenge(body)
        if self.challenge.version != session.WIRE_VERSION:
            return self._break("the lock speaks another version")
        key = self._credential.proof_keys.get(self.challenge.lock_id)
        if key is None:
            self._state = _CLOSED
            return [(WRONG_ROOM, self.challenge.lock_id)]
        nonce = self._random_bytes(session.NONCE_BYTES)
        self._key = key
        self._greeting = (self._greeting[0], message)
        self._presentation = session.encode_presentation(
            nonce, self._credential.raw_token, self._command
        )
        self._mac = session.presentation_mac(key, self._greeting, self._presentation)
        self._state = _PRESENTED
        return [(SEND, self._presentation + self._mac)]

    def _on_outcome(self, message: bytes) -> list:
        raw_outcome, mac = session.split_mac(message)
        expected = session.outcome_mac(
            self._key, self._greeting, self._presentation, self._mac, raw_outcome
        )
        if not same_bytes(mac, expected):
            return self._break("the outcome is not from the lock")
        outcome = session.decode_outcome(raw_outcome[1:])
        self._bound = session.transcript(self._greeting, self._presentation, raw_outcome)
        self._state = _OPEN if session.stays_open(outcome.reason) else _CLOSED
        return [(OUTCOME, outcome)]

    def _on_reply(self, message: bytes) -> list:
        raw_reply, mac = session.split_mac(message)
        if not same_bytes(mac, session.reply_mac(self._key, self._bound, self._request, raw_reply)):
            return self._break("the reply is not from the lock")
        counter, reason, value = session.decode_reply(raw_reply[1:])
        if counter != self._counter:
            return self._break("a reply to another request")
        self._state = _OPEN
        return [(REPLY, reason, value)]

    def _break(self, text: str) -> list:
        self._state = _CLOSED
        return [(BROKEN, text)]
