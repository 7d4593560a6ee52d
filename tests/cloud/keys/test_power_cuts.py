"""The process is stopped between any two steps of confirm, issue, deliver, revoke.

After the restart the right keys exist, once; and a letter's link works.
"""

from __future__ import annotations

import pytest

from cloud.models import KeyDelivery, KeyLink
from tests.cloud.keys.support import (
    Fuse,
    PostOffice,
    PowerCut,
    book,
    cancel,
    check_lists,
    claim,
    issued,
    live,
    move,
    newest_list,
    steps,
)
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone

HOUR_S = 3600
ON_BOTH_DATABASES = True


def boundaries(town: Town, post: PostOffice) -> int:
    """How many boundaries a whole run has, counted on a booking of its own."""
    fuse = Fuse()
    post.fuse = fuse
    book(town, START + 9 * HOUR_S, "room-2")
    steps(town, post, fuse).drain()
    post.fuse = Fuse()
    post.letters.clear()
    return len(fuse.passed)


def run_until_it_stands(town: Town, post: PostOffice, fuse: Fuse) -> bool:
    """One life of the process; whether the power was cut in it."""
    post.fuse = fuse
    try:
        steps(town, post, fuse).drain()
    except PowerCut:
        return True
    finally:
        post.fuse = Fuse()
    return False


def test_cut_anywhere_between_confirming_and_delivering_leaves_one_key_and_a_link_that_works(
    town: Town,
) -> None:
    post = PostOffice()
    total = boundaries(town, post)
    assert total >= 11  # three transactions of three boundaries each, and two of the letter
    for number in range(total):
        start = START + number * 2 * HOUR_S
        booking_id = book(town, start)
        assert run_until_it_stands(town, post, Fuse(number)), number
        town.clock.now += 300  # whoever held the letter's turn is gone
        assert not run_until_it_stands(town, post, Fuse()), number
        assert len(issued(town, booking_id)) == len(live(town, booking_id)) == 1
        secret = post.secrets()[-1]
        assert claim(town, secret, Phone()).credential.cti == live(town, booking_id)[0].cti
        with town.service.database.read() as session:
            links = session.query(KeyLink).filter_by(booking_id=booking_id, replaced_at=None)
            assert links.count() == 1
            assert session.get_one(KeyDelivery, (booking_id, "")).state == "sent"
        assert len(post.letters) in (1, 2)
        post.letters.clear()
        town.clock.now -= 300


@pytest.mark.parametrize("how", ["cancelled", "moved"])
def test_cut_anywhere_while_withdrawing_leaves_no_old_key_and_every_list_whole(
    town: Town, how: str
) -> None:
    post = PostOffice()
    for number in range(3):
        booking_id = book(town, START + number * 3 * HOUR_S)
        steps(town, post).drain()
        old = claim(town, post.secrets()[-1], Phone()).credential
        if how == "cancelled":
            cancel(town, booking_id)
        else:
            move(town, booking_id, ends_at=START + number * 3 * HOUR_S + 2 * HOUR_S)
        assert run_until_it_stands(town, post, Fuse(number)), number
        assert not run_until_it_stands(town, post, Fuse())
        assert newest_list(town, old.lock_id).lists(old.cti)
        assert len(live(town, booking_id)) == (how == "moved")
        assert len(issued(town, booking_id)) == 1 + (how == "moved")
        check_lists(town)


def test_letter_that_arrived_before_the_cut_is_not_sent_again_once_its_link_was_claimed(
    town: Town,
) -> None:
    post = PostOffice()
    booking_id = book(town)
    assert run_until_it_stands(town, post, Fuse(7))  # between sending and noting it
    claimed = claim(town, post.secrets()[0], Phone())
    town.clock.now += 300
    steps(town, post).drain()
    assert len(post.letters) == 1
    assert live(town, booking_id)[0].cti == claimed.credential.cti
    with town.service.database.read() as session:
        assert session.get_one(KeyDelivery, (booking_id, "")).state == "moot"
