"""A resident's session through the gateway: passed whole, first in line, answered once."""

from __future__ import annotations

import pytest

from gateway.machine import Settings
from kannuki.messages import Message, RelayClose, RelayOpen, RelaySend
from protocol import holder, reasons, session
from protocol import token as tokens
from protocol.holder import HolderSession
from tests.gateway.fakelock import LOCK_A, LOCK_B, LOCK_C, LOCK_D, T0, credential, deterministic
from tests.gateway.world import World

SOON = T0 + 3600


class Phone:
    """A holder at the far end of the relay: the real holder machine and command messages."""

    def __init__(
        self,
        w: World,
        lock: str,
        name: str = "s1",
        permissions: int = tokens.UNLOCK_REMOTE,
        command: int = session.COMMAND_UNLOCK_REMOTE,
    ) -> None:
        self.w, self.lock, self.name = w, lock, name
        self.count = 0
        key = credential(lock, permissions)
        self.session = HolderSession(key, command, deterministic(name))

    def next_id(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"

    def open_command(self, expires_at: int = SOON) -> RelayOpen:
        ((_, hello),) = self.session.start()
        return RelayOpen(id=self.next_id(), session=self.name, message=hello, expires_at=expires_at)

    def send_command(self, message: bytes, expires_at: int = SOON) -> RelaySend:
        return RelaySend(
            id=self.next_id(), session=self.name, message=message, expires_at=expires_at
        )

    def close_command(self) -> RelayClose:
        return RelayClose(id=self.next_id(), session=self.name, expires_at=SOON)

    def greet(self) -> bytes:
        """Opens the relay; returns the presentation to send next."""
        command = self.open_command()
        self.w.command(self.lock, command)
        result = self.w.result(command.id)
        assert result.ok, result.error
        ((name, presentation),) = self.session.receive(result.message)
        assert name == holder.SEND
        return presentation

    def unlock(self) -> session.Outcome:
        command = self.send_command(self.greet())
        self.w.command(self.lock, command)
        ((name, outcome),) = self.session.receive(self.w.result(command.id).message)
        assert name == holder.OUTCOME
        return outcome

    def close(self) -> None:
        self.w.command(self.lock, self.close_command())


def error_of(w: World, lock: str, command: Message) -> str | None:
    w.command(lock, command)
    return w.result(command.id).error


def test_a_resident_opens_through_cloud_broker_and_gateway(world):
    w = world([LOCK_A])
    assert Phone(w, LOCK_A).unlock().reason == session.OK
    assert w.locks[LOCK_A].openings == 1


def test_what_opens_at_the_door_does_not_open_through_the_gateway(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A, "p", tokens.UNLOCK, session.COMMAND_UNLOCK)
    assert phone.unlock().reason == reasons.SCOPE
    assert w.locks[LOCK_A].openings == 0
    phone.close()
    phone = Phone(w, LOCK_A, "q", tokens.UNLOCK | tokens.UNLOCK_REMOTE, session.COMMAND_UNLOCK)
    assert phone.unlock().reason == session.OK


def test_the_record_of_a_relayed_opening_comes_home_right_after_the_session(world):
    w = world([LOCK_A], Settings(sync_interval_s=3600))
    w.broker_up()
    w.run(5)
    phone = Phone(w, LOCK_A)
    phone.unlock()
    phone.close()
    w.run(2)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records


def test_a_resident_goes_before_housekeeping_at_the_same_lock_which_loses_nothing(world):
    w = world([LOCK_A], latency_s=0.2)
    w.town_commits = lambda _event: True
    w.locks[LOCK_A].happen(times=500)
    w.broker_up()
    w.run(2)
    assert 0 < len(w.records_home(LOCK_A)) < 500
    phone = Phone(w, LOCK_A)
    asked_at = w.at
    assert phone.unlock().reason == session.OK
    assert w.at - asked_at < 3
    phone.close()
    w.run(60)
    assert w.records_home(LOCK_A) == w.locks[LOCK_A].records


def test_a_resident_gets_a_link_when_housekeeping_has_taken_all(world):
    locks = [LOCK_A, LOCK_B, LOCK_C, LOCK_D]
    w = world(locks, Settings(max_links=2), out_of_range=[LOCK_A, LOCK_B, LOCK_C])
    asked_at = w.at
    assert Phone(w, LOCK_D).unlock().reason == session.OK
    assert w.at - asked_at < 1
    assert w.most_links == 2


def test_a_connection_being_made_for_housekeeping_serves_the_resident(world):
    w = world([LOCK_A], latency_s=0.5)
    assert Phone(w, LOCK_A).unlock().reason == session.OK
    assert [urgent for _, _, urgent in w.connects] == [False]


def test_residents_at_several_doors_are_served_at_once(world):
    w = world([LOCK_A, LOCK_B], latency_s=0.3)
    a, b = Phone(w, LOCK_A, "a"), Phone(w, LOCK_B, "b")
    to_a = a.greet()
    assert b.unlock().reason == session.OK
    command = a.send_command(to_a)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok


def test_more_residents_than_links_wait_for_their_turn(world):
    w = world([LOCK_A, LOCK_B], Settings(max_links=1))
    a, b = Phone(w, LOCK_A, "a"), Phone(w, LOCK_B, "b")
    a.unlock()
    waiting = b.open_command()
    w.command(LOCK_B, waiting)
    w.run(3)
    assert w.results(waiting.id) == []
    a.close()
    assert w.result(waiting.id, within_s=2).ok


def test_a_resident_who_never_gets_a_link_is_told_busy(world):
    w = world([LOCK_A, LOCK_B], Settings(max_links=1, relay_idle_s=300))
    Phone(w, LOCK_A, "a").unlock()
    assert error_of(w, LOCK_B, Phone(w, LOCK_B, "b").open_command()) == "BUSY"


def test_the_same_command_again_gets_the_same_answer_and_opens_no_second_time(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    command = phone.send_command(phone.greet())
    for _ in range(3):
        w.command(LOCK_A, command)
    w.run(1)
    assert len(w.results(command.id)) == 1
    w.command(LOCK_A, command)
    first, second = w.results(command.id)
    assert first == second
    assert w.locks[LOCK_A].openings == 1


def test_a_presentation_recorded_by_the_gateway_opens_nothing_in_another_session(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    recorded = phone.greet()
    phone.close()
    thief = Phone(w, LOCK_A, "thief")
    thief.greet()
    command = thief.send_command(recorded)
    w.command(LOCK_A, command)
    assert w.result(command.id).message[0] == session.REFUSAL
    assert w.locks[LOCK_A].openings == 0


def test_a_command_past_its_time_has_no_effect(world):
    w = world([LOCK_A])
    w.run(5)
    before = len(w.connects)
    assert error_of(w, LOCK_A, Phone(w, LOCK_A).open_command(T0 + 5)) == "EXPIRED_COMMAND"
    w.run(1)
    assert len(w.connects) == before


def test_a_presentation_past_its_time_is_not_passed_on(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    presentation = phone.greet()
    late = phone.send_command(presentation, expires_at=int(w.now.wall))
    assert error_of(w, LOCK_A, late) == "EXPIRED_COMMAND"
    assert w.locks[LOCK_A].openings == 0


def test_a_second_person_waits_for_the_first_but_not_for_one_who_has_gone(world):
    w = world([LOCK_A], Settings(relay_yields_after_s=5))
    Phone(w, LOCK_A, "first").greet()
    assert error_of(w, LOCK_A, Phone(w, LOCK_A, "second").open_command()) == "BUSY"
    w.run(6)
    assert Phone(w, LOCK_A, "third").unlock().reason == session.OK


def test_a_phone_may_start_over_in_its_own_session(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    phone.greet()
    assert phone.unlock().reason == session.OK


def test_an_idle_session_ends_and_the_lock_is_visited(world):
    w = world([LOCK_A], Settings(relay_idle_s=30, sync_interval_s=3600))
    w.broker_up()
    phone = Phone(w, LOCK_A)
    presentation = phone.greet()
    w.run(31)
    assert not w.is_linked(LOCK_A)
    assert w.states(LOCK_A)
    assert error_of(w, LOCK_A, phone.send_command(presentation)) == "NO_SESSION"


def test_a_session_does_not_survive_the_gateway_and_says_so(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    presentation = phone.greet()
    w.kill()
    w.start()
    assert error_of(w, LOCK_A, phone.send_command(presentation)) == "NO_SESSION"
    assert w.locks[LOCK_A].openings == 0


def test_a_lock_out_of_range_is_unreachable(world):
    w = world([LOCK_A], out_of_range=[LOCK_A])
    assert error_of(w, LOCK_A, Phone(w, LOCK_A).open_command()) == "UNREACHABLE"


def test_connecting_is_tried_a_few_times_before_a_resident_is_sent_away(world):
    w = world([LOCK_A])
    w.run(5)
    w.unwilling.add(LOCK_A)
    assert error_of(w, LOCK_A, Phone(w, LOCK_A).open_command()) == "UNREACHABLE"
    assert sum(urgent for _, _, urgent in w.connects) == 3


def test_a_link_lost_before_the_challenge_is_made_again(world):
    w = world([LOCK_A], latency_s=0.5)
    w.run(10)
    command = Phone(w, LOCK_A).open_command()
    w.command(LOCK_A, command)
    w.run(0.7)
    w.lose(LOCK_A)
    assert w.result(command.id).ok


def test_a_link_lost_after_the_challenge_ends_the_session(world):
    w = world([LOCK_A], latency_s=0.5)
    phone = Phone(w, LOCK_A)
    command = phone.send_command(phone.greet())
    w.lose(LOCK_A)
    assert error_of(w, LOCK_A, command) == "UNREACHABLE"
    assert error_of(w, LOCK_A, phone.send_command(b"again")) == "NO_SESSION"


def test_a_silent_lock_is_a_timeout_and_a_late_answer_goes_to_nobody(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    command = phone.send_command(phone.greet())
    w.mute.add(LOCK_A)
    assert error_of(w, LOCK_A, command) == "TIMEOUT"
    w.mute.clear()
    w.run(5)
    assert len(w.results(command.id)) == 1


def test_a_second_message_before_the_answer_is_busy(world):
    w = world([LOCK_A], latency_s=0.5)
    phone = Phone(w, LOCK_A)
    w.command(LOCK_A, phone.send_command(phone.greet()))
    assert error_of(w, LOCK_A, phone.send_command(b"another")) == "BUSY"


@pytest.mark.parametrize(("size", "error"), [(0, "MALFORMED"), (4097, "TOO_LARGE")])
def test_a_message_that_no_lock_could_take_is_refused_at_once(world, size, error):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    phone.greet()
    assert error_of(w, LOCK_A, phone.send_command(bytes(size))) == error


def test_a_command_for_a_lock_that_is_not_ours_is_answered_unknown(world):
    w = world([LOCK_A])
    assert error_of(w, LOCK_B, Phone(w, LOCK_B).open_command()) == "UNKNOWN_LOCK"


def test_closing_twice_is_fine(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    phone.greet()
    for _ in range(2):
        command = phone.close_command()
        w.command(LOCK_A, command)
        assert w.result(command.id).ok


def test_a_session_of_another_cannot_be_written_into_or_closed(world):
    w = world([LOCK_A])
    phone = Phone(w, LOCK_A)
    presentation = phone.greet()
    other = Phone(w, LOCK_A, "other")
    assert error_of(w, LOCK_A, other.send_command(b"x")) == "NO_SESSION"
    other.close()
    command = phone.send_command(presentation)
    w.command(LOCK_A, command)
    assert w.result(command.id).ok


def test_a_lock_taken_out_of_the_file_ends_its_session(world):
    w = world([LOCK_A, LOCK_B], latency_s=0.5)
    phone = Phone(w, LOCK_A)
    command = phone.send_command(phone.greet())
    w.command(LOCK_A, command)
    w.gateway.adopt({LOCK_B: w.credentials[LOCK_B]}, w.now)
    w.carry_out()
    assert w.results(command.id)[0].error == "UNKNOWN_LOCK"
    w.run(5)
    assert not w.is_linked(LOCK_A)
