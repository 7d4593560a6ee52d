"""Who was told of a booking is told when it is changed, cancelled or declined; once, and truly."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cloud.bookings import find
from cloud.keyring import delivery
from cloud.keyring.mail import MailFailed, MailRefused
from cloud.keyring.outbox import ask_for_keys
from cloud.keyring.worker import KeySteps
from cloud.models import IssuedPin, KeyDelivery
from tests.cloud.keys.support import (
    CONTACT,
    Fuse,
    PostOffice,
    PowerCut,
    add_holder,
    book,
    booking_of,
    cancel,
    claim,
    decline,
    link,
    move,
    steps,
    with_mail,
)
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone

HOUR_S = 3600
KEY, CHANGED, CANCELLED = "鍵です", "変わりました", "取り消されました"
NUMBER = re.compile(r"\b\d{3}-\d{3}-\d{4}\b")
ON_BOTH_DATABASES = True


def told(town: Town, post: PostOffice) -> list[str]:
    """The subjects of the letters that go now."""
    before = len(post.letters)
    steps(town, post).drain()
    return post.subjects()[before:]


def test_a_change_is_told_once_and_the_link_of_before_collects_the_key(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    assert KEY in told(town, post)[0]
    move(town, booking_id, starts_at=START + HOUR_S, ends_at=START + 2 * HOUR_S)
    (subject,) = told(town, post)
    assert CHANGED in subject and "11:00-12:00" in subject
    letter = post.letters[-1].text
    assert "https://" not in letter
    for words in ("鍵はそのまま使えます", "かぎは そのまま つかえます", "Your key stays"):
        assert words in letter
    with town.service.database.write() as session:
        ask_for_keys(session, {booking_id}, town.clock())  # as after a change of the town's keys
    assert told(town, post) == []
    claimed = claim(town, post.secrets()[0], Phone())
    assert claimed.credential.not_before == START + HOUR_S - 600


def test_another_room_is_told_as_well(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    move(town, booking_id, room_id="room-2")
    (subject,) = told(town, post)
    assert CHANGED in subject and "第1会議室" not in subject


def test_a_change_that_is_taken_back_before_its_letter_goes_is_none(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    post.fails = [MailFailed("away")]
    move(town, booking_id, ends_at=START + 2 * HOUR_S)
    assert told(town, post) == []
    move(town, booking_id, ends_at=START + HOUR_S)
    town.clock.now += 600
    assert told(town, post) == []


def test_changes_while_the_server_is_away_are_one_letter_with_the_last(town: Town) -> None:
    post, booking_id = PostOffice(), book(town, START + 86_400)
    told(town, post)
    post.fails = [MailFailed("away")]
    for hours in (2, 3, 4):
        move(town, booking_id, ends_at=START + 86_400 + hours * HOUR_S)
        assert told(town, post) == []
    town.clock.now += 7200
    (subject,) = told(town, post)
    assert "10:00-14:00" in subject


def test_a_cancelled_booking_is_told_to_each_holder_once(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    add_holder(town, booking_id, "次郎", "jiro@example.jp")
    assert len(told(town, post)) == 2
    cancel(town, booking_id)
    assert [CANCELLED in subject for subject in told(town, post)] == [True, True]
    assert {letter.to for letter in post.letters[-2:]} == {CONTACT, "jiro@example.jp"}
    assert "https://" not in post.letters[-1].text
    cancel(town, booking_id)
    assert told(town, post) == []


def test_a_letter_of_the_end_tells_no_number_and_allots_none(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    office = KeySteps(replace(with_mail(town.service), mail_pins=True), "みさき市", post)
    office.drain()
    assert NUMBER.search(post.letters[0].text)
    cancel(town, booking_id)
    office.drain()
    assert CANCELLED in post.letters[1].subject and not NUMBER.search(post.letters[1].text)
    with town.service.database.read() as session:
        assert session.query(IssuedPin).filter_by(revoked_at=None).count() == 0


def test_who_was_told_of_nothing_hears_of_no_end(town: Town) -> None:
    post, at_the_counter = PostOffice(), book(town)
    link(town, at_the_counter)
    told(town, post)
    cancel(town, at_the_counter)
    cancel(town, book(town, START + 3 * HOUR_S))
    assert told(town, post) == []


def test_a_wish_for_a_new_link_that_waits_becomes_the_news_of_the_end(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    town.clock.now += delivery.QUIET_S
    with town.service.database.write() as session:
        delivery.ask_again(session, find(session, booking_id), CONTACT, town.clock())
        assert session.get_one(KeyDelivery, (booking_id, "")).state == "waiting"
    cancel(town, booking_id)
    (subject,) = told(town, post)
    assert CANCELLED in subject


def test_a_new_link_may_be_asked_for_right_after_the_news_of_a_change(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    town.clock.now += delivery.QUIET_S
    move(town, booking_id, ends_at=START + 2 * HOUR_S)
    told(town, post)
    with town.service.database.write() as session:
        delivery.ask_again(session, find(session, booking_id), CONTACT, town.clock())
    told(town, post)
    assert len(post.letters) == 3
    assert claim(town, post.secrets()[1], Phone()).booking.booking_id == booking_id


def test_a_clerks_no_is_told_with_the_reason(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    decline(town, booking_id, "この日は工事のため使えません。")
    assert len(told(town, post)) == 1
    letter = post.letters[0].text
    assert letter.count("この日は工事のため使えません。") == 3
    assert "お受けできませんでした" in letter and "https://" not in letter
    assert told(town, post) == []


def test_a_booking_that_comes_back_is_told_as_it_stands(town: Town) -> None:
    """A calendar may cancel and confirm again; the link of before works again."""
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    cancel(town, booking_id)
    told(town, post)
    move(town, booking_id, status="confirmed", payment_state="settled")
    (subject,) = told(town, post)
    assert CHANGED in subject
    assert claim(town, post.secrets()[0], Phone()).booking.booking_id == booking_id


def test_an_address_that_is_refused_gets_no_more_letters(town: Town) -> None:
    post, booking_id = PostOffice(fails=[MailRefused("no such person")]), book(town)
    assert told(town, post) == []
    cancel(town, booking_id)
    assert told(town, post) == []


def test_what_is_over_is_not_told(town: Town) -> None:
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    town.clock.now = START + 2 * HOUR_S
    cancel(town, booking_id)
    assert told(town, post) == []


@pytest.mark.parametrize("how", ["cancelled", "moved"])
def test_stopped_anywhere_the_news_arrives(town: Town, how: str) -> None:
    """Once, or twice where nobody can know whether the letter had gone."""
    total = 0
    for number in range(99):
        post, start = PostOffice(), START + number * 2 * HOUR_S
        booking_id = book(town, start, hours=2)
        told(town, post)
        post.letters.clear()
        if how == "cancelled":
            cancel(town, booking_id)
        else:
            move(town, booking_id, ends_at=start + HOUR_S)
        fuse = Fuse(number)
        post.fuse = fuse
        try:
            steps(town, post, fuse).drain()
        except PowerCut:
            total += 1
        else:
            break
        post.fuse = Fuse()
        town.clock.now += 300
        told(town, post)
        town.clock.now -= 300
        word = CANCELLED if how == "cancelled" else CHANGED
        assert 1 <= len(post.letters) <= 2, number
        assert all(word in subject for subject in post.subjects()), number
    assert total >= 9  # the keys, the letter's turn, the note that it went; and the letter


def test_moved_again_while_its_letter_is_on_the_way(town: Town) -> None:
    """What the first letter says is old when it arrives: another follows."""
    post, booking_id = PostOffice(), book(town)
    told(town, post)
    move(town, booking_id, ends_at=START + 2 * HOUR_S)
    worker = steps(town, post)
    worker.settle()

    class OnTheWay(PostOffice):
        def send(self, letter: object) -> None:
            move(town, booking_id, ends_at=START + 3 * HOUR_S)
            steps(town, post).settle()

    worker.mailer = OnTheWay()
    worker.deliver()
    (subject,) = told(town, post)
    assert "10:00-13:00" in subject
    assert booking_of(town, booking_id).ends_at == START + 3 * HOUR_S
    assert told(town, post) == []
