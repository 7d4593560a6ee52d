"""The holder's side: it says the right things, believes only the lock, and survives anything."""

import unittest

from protocol import cbor, holder, reasons, session
from protocol.holder import Credential, CredentialError, HolderSession
from protocol.session import Outcome, SessionError
from protocol.timebound import unknown
from protocol.verify import Allowed
from tests.protocol.support import (
    GROUP,
    LOCK,
    NOON,
    OTHER_LOCK,
    Lcg,
    Lock,
    counting_bytes,
    issue,
    key_for,
    make_challenge,
    make_holder,
    with_bit_flipped,
)


class HolderCase(unittest.TestCase):
    """One holder before one lock; `answer` is what a genuine lock says."""

    def setUp(self):
        self.lock = Lock()
        self.raw = issue()
        self.key = key_for(self.raw)
        self.holder = make_holder(self.raw)

    def presented(self):
        """Brings the session to the point where the outcome is awaited: the presentation sent."""
        self.holder.start()
        ((event, message),) = self.holder.receive(self.lock.challenge)
        self.assertEqual(event, holder.SEND)
        return message

    def answer(self, message, outcome=None, key=None):
        presentation, mac = session.split_mac(message)
        outcome = Outcome(session.OK, {2: 5000}, 9, b"h" * 32) if outcome is None else outcome
        raw = session.encode_outcome(outcome)
        key = self.key if key is None else key
        self.bound = session.transcript(self.lock.greeting, presentation, raw)
        return raw + session.outcome_mac(key, self.lock.greeting, presentation, mac, raw)

    def opened(self):
        """Brings the session to the point where requests may be made."""
        self.holder.receive(self.answer(self.presented()))

    def reply(self, sent, counter=1, reason=0, value=None, bound=None):
        request, _ = session.split_mac(sent)
        raw = session.encode_reply(counter, reason, value)
        bound = self.bound if bound is None else bound
        return raw + session.reply_mac(self.key, bound, request, raw)

    def assertBroken(self, events):
        self.assertEqual([event[0] for event in events], [holder.BROKEN])


class TestSession(HolderCase):
    def test_it_greets_first_and_presents_on_the_challenge(self):
        self.assertEqual(self.holder.start(), [(holder.SEND, session.encode_hello())])
        ((event, message),) = self.holder.receive(self.lock.challenge)
        self.assertEqual(event, holder.SEND)
        self.assertIsInstance(self.lock.judge(message, NOON), Allowed)
        self.assertEqual(self.holder.challenge.lock_id, LOCK)

    def test_a_usual_presentation_fits_one_write_at_mtu_185(self):
        self.assertLessEqual(len(self.presented()) + 1, 185 - 3)

    def test_the_outcome_is_told(self):
        ((event, outcome),) = self.holder.receive(self.answer(self.presented()))
        self.assertEqual(event, holder.OUTCOME)
        self.assertEqual((outcome.reason, outcome.detail), (session.OK, {2: 5000}))
        self.assertEqual((outcome.head_seq, outcome.head_hash), (9, b"h" * 32))

    def test_request_and_reply(self):
        self.opened()
        for counter in (1, 2, 3):
            ((event, sent),) = self.holder.request(session.REQUEST_STATE, None)
            self.assertEqual(event, holder.SEND)
            events = self.holder.receive(self.reply(sent, counter, 0, {1: 2}))
            self.assertEqual(events, [(holder.REPLY, 0, {1: 2})])

    def test_nothing_is_asked_before_the_lock_has_opened_the_session(self):
        self.assertRaises(SessionError, self.holder.request, 1, None)
        message = self.presented()
        self.assertRaises(SessionError, self.holder.request, 1, None)
        refused = Outcome(reasons.REVOKED, {}, 9, bytes(32))
        self.holder.receive(self.answer(message, refused))
        self.assertRaises(SessionError, self.holder.request, 1, None)

    def test_documents_may_be_brought_where_only_the_time_stood_in_the_way(self):
        for reason in sorted(reasons.NAMES):
            self.setUp()
            refused = Outcome(reason, {}, 9, bytes(32))
            self.holder.receive(self.answer(self.presented(), refused))
            if reason in session.OPEN_FOR_DOCUMENTS:
                ((event, sent),) = self.holder.request(session.REQUEST_TIME, b"document")
                self.assertEqual(event, holder.SEND)
                events = self.holder.receive(self.reply(sent, value=[5, 9]))
                self.assertEqual(events, [(holder.REPLY, 0, [5, 9])])
            else:
                self.assertRaises(SessionError, self.holder.request, 7, b"document")

    def test_one_request_at_a_time(self):
        self.opened()
        self.holder.request(session.REQUEST_STATE, None)
        self.assertRaises(SessionError, self.holder.request, session.REQUEST_STATE, None)

    def test_the_wrong_room_is_noticed_and_nothing_presented(self):
        self.holder.start()
        events = self.holder.receive(make_challenge(lock_id=OTHER_LOCK))
        self.assertEqual(events, [(holder.WRONG_ROOM, OTHER_LOCK)])
        self.assertBroken(self.holder.receive(self.lock.challenge))

    def test_a_token_that_cannot_be_read_is_no_credential(self):
        for raw in (b"", b"junk", self.raw[:-1], bytes(300)):
            self.assertRaises(CredentialError, Credential, raw, {LOCK: bytes(32)})


class TestGroup(unittest.TestCase):
    """One token, one proof key for each lock; the challenge says which."""

    LOCKS = (LOCK, OTHER_LOCK, "higashig")

    def setUp(self):
        self.raw = issue(audience=GROUP)
        self.keys = {lock_id: key_for(self.raw, lock_id) for lock_id in self.LOCKS}

    def holder(self):
        machine = HolderSession(Credential(self.raw, self.keys), 1, counting_bytes)
        machine.start()
        return machine

    def test_the_key_of_the_lock_in_the_challenge_is_used(self):
        for lock_id in self.LOCKS:
            lock = Lock(lock_id=lock_id, groups=[GROUP])
            ((event, message),) = self.holder().receive(lock.challenge)
            self.assertEqual(event, holder.SEND)
            self.assertIsInstance(lock.judge(message, NOON), Allowed)

    def test_a_lock_that_claims_to_be_another_gets_a_useless_proof(self):
        honest = Lock(lock_id=LOCK, groups=[GROUP])
        ((_, message),) = self.holder().receive(make_challenge(lock_id=OTHER_LOCK))
        self.assertEqual(honest.judge(message, NOON).reason, reasons.BAD_MAC)

    def test_a_lock_outside_the_group_is_the_wrong_room(self):
        events = self.holder().receive(make_challenge(lock_id="nishiguc"))
        self.assertEqual(events, [(holder.WRONG_ROOM, "nishiguc")])

    def test_a_credential_without_keys_presents_nothing(self):
        machine = HolderSession(Credential(self.raw, {}), 1, counting_bytes)
        machine.start()
        events = machine.receive(make_challenge())
        self.assertEqual(events, [(holder.WRONG_ROOM, LOCK)])


class TestImpostor(HolderCase):
    def test_an_outcome_without_the_key_is_not_believed(self):
        message = self.presented()
        self.assertBroken(self.holder.receive(self.answer(message, key=bytes(32))))

    def test_every_bit_flip_of_an_outcome_is_not_believed(self):
        presented = self.presented()
        genuine = self.answer(presented)
        for bit in range(8 * len(genuine)):
            self.setUp()
            self.presented()
            for event in self.holder.receive(with_bit_flipped(genuine, bit)):
                self.assertIn(event[0], (holder.BROKEN, holder.ADVISORY))

    def test_the_holders_own_message_reflected_is_not_believed(self):
        message = self.presented()
        self.assertBroken(self.holder.receive(message))

    def test_the_holders_own_mac_reflected_is_not_believed(self):
        message = self.presented()
        raw = session.encode_outcome(Outcome(0, {}, 0, bytes(32)))
        self.assertBroken(self.holder.receive(raw + message[-16:]))

    def test_an_outcome_of_another_session_is_not_believed(self):
        recorded = self.answer(self.presented())
        self.holder = make_holder(self.raw)
        self.holder.start()
        self.holder.receive(make_challenge(nonce=b"Z" * 16))
        self.assertBroken(self.holder.receive(recorded))

    def test_a_second_outcome_is_out_of_turn(self):
        answer = self.answer(self.presented())
        self.holder.receive(answer)
        self.assertBroken(self.holder.receive(answer))

    def test_a_second_challenge_gets_no_second_presentation(self):
        self.presented()
        self.assertBroken(self.holder.receive(make_challenge(nonce=b"Z" * 16)))

    def test_a_challenge_before_the_greeting_is_out_of_turn(self):
        self.assertBroken(self.holder.receive(self.lock.challenge))

    def test_another_wire_version_is_not_answered(self):
        for version in (0, 2, 9):
            self.setUp()
            members = (LOCK, bytes(16), unknown(), (0, 0, 0), [3], 100, version)
            self.holder.start()
            challenge = session.encode_challenge(session.Challenge(*members))
            self.assertBroken(self.holder.receive(challenge))

    def test_an_outcome_over_another_greeting_is_not_believed(self):
        message = self.presented()
        self.lock.greeting = (session.encode_hello(0), self.lock.challenge)
        self.assertBroken(self.holder.receive(self.answer(message)))

    def test_an_unauthenticated_refusal_is_only_advisory(self):
        for reason in (reasons.BUSY, reasons.BAD_MAC):
            self.setUp()
            self.presented()
            events = self.holder.receive(session.encode_refusal(reason))
            self.assertEqual(events, [(holder.ADVISORY, reason)])

    def test_a_stranger_cannot_claim_revoked_or_ok(self):
        for reason in (session.OK, reasons.REVOKED, reasons.EXPIRED, reasons.NOT_YET_VALID):
            self.setUp()
            self.presented()
            self.assertBroken(self.holder.receive(session.encode_refusal(reason)))

    def test_a_reply_of_another_request_or_session_is_not_believed(self):
        self.opened()
        ((_, first),) = self.holder.request(session.REQUEST_STATE, None)
        recorded = self.reply(first)
        self.holder.receive(recorded)
        ((_, second),) = self.holder.request(session.REQUEST_STATE, None)
        self.assertBroken(self.holder.receive(recorded))
        self.setUp()
        self.opened()
        ((_, third),) = self.holder.request(session.REQUEST_STATE, None)
        self.assertBroken(self.holder.receive(self.reply(third, bound=bytes(32))))

    def test_a_reply_with_another_counter_is_not_believed(self):
        self.opened()
        ((_, sent),) = self.holder.request(session.REQUEST_STATE, None)
        self.assertBroken(self.holder.receive(self.reply(sent, counter=2)))

    def test_an_answer_of_another_type_is_out_of_turn_even_under_a_good_mac(self):
        self.opened()
        ((_, sent),) = self.holder.request(session.REQUEST_STATE, None)
        request, _ = session.split_mac(sent)
        for kind in (session.OUTCOME, session.REQUEST, session.CHALLENGE):
            self.setUp()
            self.opened()
            self.holder.request(session.REQUEST_STATE, None)
            raw = bytes([kind]) + session.encode_reply(1, 0, None)[1:]
            mac = session.reply_mac(self.key, self.bound, request, raw)
            self.assertBroken(self.holder.receive(raw + mac))

    def test_a_request_reflected_as_reply_is_not_believed(self):
        self.opened()
        ((_, sent),) = self.holder.request(session.REQUEST_STATE, None)
        self.assertBroken(self.holder.receive(bytes([session.REPLY]) + sent[1:]))

    def test_nothing_is_believed_after_a_break(self):
        message = self.presented()
        self.assertBroken(self.holder.receive(b"\x04junkjunkjunkjunkjunkjunk"))
        self.assertBroken(self.holder.receive(self.answer(message)))

    def test_random_messages_never_raise_and_never_count_as_an_answer(self):
        noise = Lcg(21)
        for number in range(900):
            self.setUp()
            if number % 3:
                self.presented()
            else:
                self.holder.start()
            body = bytes([noise.below(9)]) + noise.bytes(noise.below(90))
            for event in self.holder.receive(body):
                self.assertIn(event[0], (holder.BROKEN, holder.ADVISORY))

    def test_random_well_formed_arrays_never_raise(self):
        noise = Lcg(22)
        values = (0, 1, -1, b"x" * 16, b"", "kitaguch", None, True, [], {}, [1, 2], 1 << 63)
        for _ in range(900):
            self.setUp()
            self.holder.start()
            members = [values[noise.below(len(values))] for _ in range(noise.below(10))]
            body = bytes([1 + noise.below(7)]) + cbor.encode(members)
            for event in self.holder.receive(body):
                self.assertIn(event[0], (holder.BROKEN, holder.ADVISORY))
