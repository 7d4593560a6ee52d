"""Everything that a stolen gateway can do, at random, over a street that lives on meanwhile.

The thief holds the gateway's file (its housekeeping key), hears every message that phones and the
town send by way of it, and every message at the door; keeps them all; and passes on what it likes,
when it likes, to whom it likes, changed or not. Decides nothing about right and wrong: the street
does (street.py). Each rule counts itself, so that a run can prove what it tried.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from protocol import holder, session
from protocol import token as tokens
from protocol.holder import Credential
from simulator.town_keys import TownKeys
from tests.firmware.town import LOCK_ID, Peer
from tests.gateway.hostile.street import Phone, Street

THIEF = TownKeys()  # keys that nobody believes
COUNTS: Counter[str] = Counter()
MAX_HEARD = 400
PICK = st.integers(0, 1 << 16)
RECENT = st.integers(0, 5)
COMMANDS = st.sampled_from([session.COMMAND_UNLOCK_REMOTE] * 3 + [session.COMMAND_UNLOCK])
WAITS_MS = st.sampled_from([20, 500, 1500, 2500, 9000, 29_000, 40_000, 700_000, 3_700_000])
DAMAGE = st.sampled_from(["bit", "cut", "grow", "head", "tail"])
WHATS = st.sampled_from(["list", "delta", "keyset", "config", "ack", "time", "token", "reset"])


class StolenGateway(RuleBasedStateMachine):
    """`heard`: every message so far, oldest first; `peers`: its connections to the lock."""

    @initialize(seed=st.integers(0, 1 << 32))
    def begin(self, seed: int) -> None:
        self.street = Street(seed)
        town = self.street.town
        self.own: Credential = town.credential(
            permissions=tokens.MAINTAIN, ends=90 * 86_400, signer=town.keys.staff
        )
        self.heard: list[bytes] = []
        self.phones: list[Phone] = []
        self.peers: list[Peer] = []
        self.sessions: list[list[bytes]] = []  # what a holder said in each, in order
        self.street.book(-600, 7200)
        self.street.book(600, 4000)
        self.street.withdraw(self.street.book(-600, 7200))
        self.street.configure(6000)
        self.street.acknowledge()
        COUNTS["runs"] += 1

    def done(self, name: str) -> None:
        COUNTS[name] += 1
        self.street.check()
        COUNTS["openings"] += self.street.openings - self._counted
        COUNTS["retractions"] += self.street.retractions - self._counted_bolts
        self._counted = self.street.openings
        self._counted_bolts = self.street.retractions

    _counted = _counted_bolts = 0

    # --- life goes on ---

    @rule(begins=st.sampled_from([-600, 0, 60, 3600]), length=st.sampled_from([30, 900, 7200]))
    def a_booking_is_made(self, begins: int, length: int) -> None:
        self.street.book(begins, begins + length)
        self.done("book")

    @rule(which=RECENT)
    def a_booking_is_cancelled(self, which: int) -> None:
        self.street.withdraw(self._pick(self.street.tickets, which))
        self.done("withdraw")

    @rule(what=st.sampled_from(["issuer", "figures", "ack", "ack", "figures"]))
    def the_town_signs_something(self, what: str) -> None:
        if what == "issuer":
            self.street.replace_issuer()
        elif what == "figures":
            self.street.configure(4000 + 1000 * (len(self.street.mail.configs) % 3))
        else:
            self.street.acknowledge()
        self.done("sign")

    @rule(ms=WAITS_MS)
    def time_passes(self, ms: int) -> None:
        self.street.wait(ms)
        self.peers = [peer for peer in self.peers if not peer.hung_up]
        self.done("wait")

    @rule(stop_rtc=st.booleans())
    def the_power_fails(self, stop_rtc: bool) -> None:
        self.street.cut_power(stop_rtc)
        self.peers.clear()
        self.done("power")

    @rule(which=RECENT)
    def a_resident_opens_at_the_door(self, which: int) -> None:
        """The thief listens: both directions, whole messages."""
        ticket = self._pick(self.street.tickets, which)
        phone = Phone(self.street, ticket, session.COMMAND_UNLOCK)
        peer, said = self.street.town.connect(), []
        message: bytes | None = phone.hello
        while message is not None:
            said.append(message)
            answers = self._say(peer, message)
            message = phone.hear(answers[-1]) if answers else None
        peer.leave()
        self.sessions.append(said)
        self.done("at the door")

    @rule(which=RECENT, command=COMMANDS)
    def a_phone_asks_for_a_relay(self, which: int, command: int) -> None:
        phone = Phone(self.street, self._pick(self.street.tickets, which), command)
        self.phones.append(phone)
        self._hear(phone.hello)
        self.done("phone")

    # --- what a gateway does, and its thief need not ---

    @rule(introduces=st.booleans())
    def connect(self, introduces: bool) -> None:
        peer = self.street.town.connect()
        self.peers.append(peer)
        if introduces:
            peer.attempt(self.own, session.COMMAND_SYNC)
            self._hear(peer.sent, *peer.received)
        self.done("connect")

    @rule(which=RECENT, introduces=st.booleans(), waits_ms=st.sampled_from([0, 0, 1000, 3000]))
    def relay_honestly(self, which: int, introduces: bool, waits_ms: int) -> None:
        """As the program does: what a phone says to the lock, what the lock says to the phone."""
        ticket = self._pick(self.street.tickets, which)
        phone = Phone(self.street, ticket, session.COMMAND_UNLOCK_REMOTE)
        self.connect(introduces)
        peer, said = self.peers[-1], []
        message: bytes | None = phone.hello
        while message is not None:
            said.append(message)
            answers = self._say(peer, message)
            self.street.wait(waits_ms)
            message = phone.hear(answers[-1]) if answers else None
        self.sessions.append(said)
        COUNTS["relays told open"] += phone.was_told_open
        self.done("relay")

    @rule(peer=RECENT, message=PICK, times=st.sampled_from([1, 1, 2, 3]))
    def play_to_the_lock(self, peer: int, message: int, times: int) -> None:
        """Anything ever heard, in any order, to any connection, any number of times."""
        if self.heard and self.peers:
            for _ in range(times):
                self._say(self._pick(self.peers, peer), self._pick(self.heard, message))
        self.done("replay")

    @rule(which=PICK, introduces=st.booleans())
    def play_a_whole_session_again(self, which: int, introduces: bool) -> None:
        if self.sessions:
            self.connect(introduces)
            for message in self._pick(self.sessions, which):
                self._say(self.peers[-1], message)
        self.done("replay session")

    @rule(peer=RECENT, message=RECENT)
    def pass_on_what_was_said_last(self, peer: int, message: int) -> None:
        if self.heard and self.peers:
            self._say(self._pick(self.peers, peer), self._pick(self.heard, message))
        self.done("pass on")

    @rule(peer=RECENT, message=RECENT, damage=DAMAGE, where=PICK, other=PICK)
    def play_something_changed(
        self, peer: int, message: int, damage: str, where: int, other: int
    ) -> None:
        if self.heard and self.peers:
            said, second = self._pick(self.heard, message), self._pick(self.heard, other)
            self._say(self._pick(self.peers, peer), changed(said, damage, where, second))
        self.done("change")

    @rule(phone=RECENT, message=RECENT)
    def let_a_phone_hear(self, phone: int, message: int) -> None:
        """Challenges of now or of long ago, outcomes of others; what it answers is kept."""
        if self.phones and self.heard:
            answer = self._pick(self.phones, phone).hear(self._pick(self.heard, message))
            self._hear(*([answer] if answer else []))
        self.done("to a phone")

    @rule(phone=RECENT, message=RECENT, damage=DAMAGE, where=PICK)
    def let_a_phone_hear_something_changed(
        self, phone: int, message: int, damage: str, where: int
    ) -> None:
        if self.phones and self.heard:
            said = changed(self._pick(self.heard, message), damage, where, b"\x04\x00")
            answer = self._pick(self.phones, phone).hear(said)
            self._hear(*([answer] if answer else []))
        self.done("lie to a phone")

    @rule(peer=RECENT)
    def hang_up(self, peer: int) -> None:
        if self.peers:
            gone = self._pick(self.peers, peer)
            gone.leave()
            self.peers.remove(gone)
        self.done("hang up")

    @rule(what=WHATS, which=PICK, flaw=st.sampled_from(["", "", "", "bit", "other", "forged"]))
    def bring_papers(self, what: str, which: int, flaw: str) -> None:
        """By its own good key: any paper that the town ever signed, older, changed, or its own."""
        peer = self._introduced()
        if peer is not None:
            operation, argument = self._paper(peer, what, which, flaw)
            name, *values = peer.request(operation, argument)
            COUNTS[f"{what}: {'taken' if name == holder.REPLY and not values[0] else 'not'}"] += 1
        self.done("bring")

    @rule(what=st.sampled_from(["list", "keyset", "config", "ack", "token"]))
    def do_an_errand(self, what: str) -> None:
        """Honest for once: the newest paper of a kind."""
        self.bring_papers(what, 0, "")

    @rule(hold_ms=st.sampled_from([0, 0, 5000, 60_000]), lie_s=st.sampled_from([0, 0, 3600, -3600]))
    def tell_the_time(self, hold_ms: int, lie_s: int) -> None:
        """The town signs for any nonce; the thief holds it back, or signs for itself."""
        peer = self._introduced()
        if peer is not None and peer.machine.challenge is not None:
            street = self.street
            street.tell_time(peer.machine.challenge.nonce)
            answer = street.mail.times[-1]
            if lie_s:
                nonce, lied = peer.machine.challenge.nonce, street.town.now + lie_s
                answer = THIEF.time_answer(LOCK_ID, nonce, lied)
            for _ in range(hold_ms // 20_000 + 1):
                street.wait(min(hold_ms, 20_000))
                peer.request(session.REQUEST_STATE, None)
            name, *values = peer.request(session.REQUEST_TIME, answer)
            taken = name == holder.REPLY and values[0] == session.OK
            assert not (taken and lie_s), "the lock believes the thief's clock"
            COUNTS["time: taken"] += taken
        self.done("time")

    # --- hands ---

    def _introduced(self) -> Peer | None:
        peer = self.street.town.connect()
        name, *_ = peer.attempt(self.own, session.COMMAND_SYNC)
        self._hear(peer.sent, *peer.received)
        self.peers.append(peer)
        return peer if name == holder.OUTCOME and not peer.hung_up else None

    def _paper(self, peer: Peer, what: str, which: int, flaw: str) -> tuple[int, Any]:
        mail, street = self.street.mail, self.street
        keys = THIEF if flaw == "forged" else street.town.keys
        if what in ("list", "delta"):
            return self._list(what, which, flaw)
        kept = {
            "keyset": (session.REQUEST_KEYSET, mail.keysets, keys.keyset_document),
            "config": (session.REQUEST_CONFIG, mail.configs, None),
            "ack": (session.REQUEST_ACK, mail.acks, None),
            "time": (session.REQUEST_TIME, mail.times, None),
            "reset": (session.REQUEST_TIME_RESET, mail.times, None),
            "token": (session.REQUEST_TOKEN, mail.tokens, None),
        }
        operation, papers, forge = kept[what]
        if flaw == "forged" and forge is not None:
            return operation, forge(keys.keyset(99))
        if flaw == "other":
            papers = [*mail.keysets, *mail.configs, *mail.acks, *mail.times, *mail.tokens]
        document = self._pick(papers, which) if papers else b""
        return operation, changed(document, "bit", which, b"") if flaw == "bit" else document

    def _list(self, what: str, which: int, flaw: str) -> tuple[int, Any]:
        mail = self.street.mail
        if not mail.lists:
            return session.REQUEST_STATUS_PART, [b"", 0, b""]
        document, entries = self._pick(list(mail.lists.values()), which)
        if flaw == "forged":
            document, entries = THIEF.status_list(LOCK_ID, 99, self.street.town.now, [])
        elif flaw == "bit":
            document = changed(document, "bit", which, b"")
        elif flaw == "other":
            entries = self._pick(list(mail.lists.values()), which + 1)[1]
        if what == "delta":
            held = self.street.lock.core.statuses.current.version
            return session.REQUEST_STATUS_DELTA, [document, held, entries]
        return session.REQUEST_STATUS_PART, [document, 0, entries]

    def _say(self, peer: Peer, message: bytes) -> list[bytes]:
        """The lock's answers; both are kept, and every record is judged."""
        if peer.hung_up or not message:
            return []
        peer.received.clear()
        peer.send(message)
        self._hear(message, *peer.received)
        self.street.check()
        return list(peer.received)

    def _hear(self, *messages: bytes) -> None:
        self.heard += [message for message in messages if message]
        del self.heard[:-MAX_HEARD]

    @staticmethod
    def _pick(of: list[Any], which: int) -> Any:
        """0 is the last."""
        return of[-1 - which % len(of)]


def changed(message: bytes, damage: str, where: int, other: bytes) -> bytes:
    """One bit, a shorter one, a longer one, or the halves of two."""
    if not message:
        return other
    place = where % len(message)
    if damage == "bit":
        flipped = message[place] ^ 1 << (where % 8)
        return message[:place] + bytes([flipped]) + message[place + 1 :]
    if damage == "cut":
        return message[:place]
    if damage == "grow":
        return message + other[:place]
    if damage == "head":
        return message[:place] + other[place:]
    return other[:place] + message[place:]
