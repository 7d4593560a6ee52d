"""The process is stopped between any two steps of confirm, issue, deliver, revoke.

After the restart the right keys exist, once; and a letter's link works.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.database import open_database
from cloud.keyring.mail import SpoolMailer
from cloud.keyring.worker import KeySteps
from cloud.models import KeyDelivery, KeyLink, KeyWork
from cloud.service import open_service
from tests.cloud.keys.support import (
    CONTACT,
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
from tests.cloud.support import START, TOWN, Clock, Town
from tests.cloud.test_keys import Phone

HOUR_S = 3600


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


_CHILD = """
import os, signal, sys
from tests.cloud.keys import test_power_cuts
test_power_cuts.child(sys.argv[1], int(sys.argv[2]))
"""


class DeadlyFuse(Fuse):
    """Ends the whole process, as the kernel does when memory is short."""

    def burn(self, boundary: str) -> None:
        self.passed.append(boundary)
        if self.after is not None and len(self.passed) > self.after:
            os.kill(os.getpid(), signal.SIGKILL)


class DeadlySpool(SpoolMailer):
    """A real folder of letters; the fuse burns around it."""

    fuse: Fuse

    def send(self, letter: object) -> None:
        self.fuse.burn("before sending")
        super().send(letter)  # type: ignore[arg-type]
        self.fuse.burn("after sending")


def child(folder: str, after: int) -> None:
    """What the child process does: the worker's steps, until it is killed or done."""
    from dataclasses import replace

    from tests.cloud.keys.support import FragileDatabase

    fuse = DeadlyFuse(after if after >= 0 else None)
    place = Path(folder)
    database = FragileDatabase(open_database(str(place / "town.db"), TOWN), fuse)
    service = open_service(TOWN, database, place / "keys", Clock(), "https://key.example/open")
    mailer = DeadlySpool(place / "mail", "keys@town.example")
    object.__setattr__(mailer, "fuse", fuse)
    KeySteps(replace(service, sends_mail=True), "みさき市", mailer).drain()


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 2, 4, 6, 7, 8, 9])
def test_killed_process_is_followed_by_one_that_finishes(town: Town, after: int) -> None:
    booking_id = book(town)
    for number in (after, -1):
        if number == -1:  # the turn of a letter whose sender is gone comes again
            with town.service.database.write() as session:
                for row in session.query(KeyDelivery):
                    row.next_attempt_at = 0
        command = [sys.executable, "-c", _CHILD, str(town.folder), str(number)]
        ended = subprocess.run(command, check=False, timeout=60)
        assert ended.returncode == (-signal.SIGKILL if number >= 0 else 0)
    assert len(issued(town, booking_id)) == len(live(town, booking_id)) == 1
    letters = sorted((town.folder / "mail").glob("*.eml"))
    assert 1 <= len(letters) <= 2
    assert all(CONTACT.encode() in path.read_bytes() for path in letters)
    with town.service.database.read() as session:
        work = session.get_one(KeyWork, booking_id)
        assert work.done == work.wanted
        assert session.query(KeyLink).filter_by(replaced_at=None).count() == 1
        assert session.get_one(KeyDelivery, (booking_id, "")).state == "sent"
