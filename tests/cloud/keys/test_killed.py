"""A real process, killed with SIGKILL between the steps of issuing and delivering."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.database import open_database
from cloud.keyring.mail import Letter, SpoolMailer
from cloud.keyring.worker import KeySteps
from cloud.models import KeyDelivery, KeyLink, KeyWork
from cloud.service import open_service
from tests.cloud.keys.support import CONTACT, FragileDatabase, Fuse, book, issued, live
from tests.cloud.support import TOWN, Clock, Town

_CHILD = """
import os, signal, sys
from tests.cloud.keys import test_killed
test_killed.child(sys.argv[1], int(sys.argv[2]))
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

    def send(self, letter: Letter) -> None:
        self.fuse.burn("before sending")
        super().send(letter)
        self.fuse.burn("after sending")


def child(folder: str, after: int) -> None:
    """What the child process does: the worker's steps, until it is killed or done."""
    fuse = DeadlyFuse(after if after >= 0 else None)
    place = Path(folder)
    database = FragileDatabase(open_database(str(place / "town.db"), TOWN), fuse)
    service = open_service(TOWN, database, place / "keys", Clock(), "https://key.example/open")
    mailer = DeadlySpool(place / "mail", "keys@town.example")
    object.__setattr__(mailer, "fuse", fuse)
    KeySteps(replace(service, sends_mail=True), "みさき市", mailer).drain()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [1, 4, 7, 9])
def test_killed_process_is_followed_by_one_that_finishes(town: Town, after: int) -> None:
    booking_id = book(town)
    for number in (after, -1):
        if number == -1:  # the turn of a letter whose sender is gone comes again
            with town.service.database.write() as session:
                for row in session.query(KeyDelivery):
                    row.next_attempt_at = 0
        command = [sys.executable, "-c", _CHILD, str(town.folder), str(number)]
        ended = subprocess.run(command, check=False, timeout=110)
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
