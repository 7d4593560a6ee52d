"""Writers of a SQLite file queue: everyone gets a turn, or is told in words that it never came."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cloud.database import Database, open_database
from cloud.problems import Problem
from cloud.turns import NoTurn, Turns

HOLDER = """
import sys, time
from pathlib import Path
from cloud.turns import Turns
with Turns(Path(sys.argv[1])).take():
    print("mine", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "town.db"


def holder(file: Path) -> subprocess.Popen[str]:
    """Another process that has its turn and does not end it."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "mine\n"
    return child


def test_threads_have_the_turn_one_at_a_time(file: Path) -> None:
    turns, inside, most = Turns(file), [0], [0]

    def work() -> None:
        for _ in range(50):
            with turns.take():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == [1]


def test_thread_whose_turn_does_not_come_begins_nothing(file: Path) -> None:
    turns = Turns(file, waits_s=0.05)
    with turns.take():
        refused: list[bool] = []

        def ask() -> None:
            with pytest.raises(NoTurn), turns.take():
                raise AssertionError("two at once")
            refused.append(True)

        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert refused == [True]
    with turns.take():
        pass  # whoever gave up left nothing behind


def test_process_that_dies_gives_its_turn_back(file: Path) -> None:
    child, came = holder(file), threading.Event()

    def wait() -> None:
        with Turns(file).take():
            came.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        assert not came.wait(0.2)
        os.kill(child.pid, signal.SIGKILL)
        assert came.wait(20)
    finally:
        child.kill()
        child.communicate()
        waiting.join()


def test_writer_is_told_in_words_when_a_stranger_keeps_the_file(file: Path) -> None:
    """A shell or a backup that holds SQLite's own lock stands in no queue of ours."""
    database = open_database(str(file), "misaki")
    with database.engine.connect() as connection:
        dbapi = connection.connection.dbapi_connection
        assert dbapi is not None
        dbapi.execute("PRAGMA busy_timeout = 50")  # the pool hands this connection out again
    stranger = sqlite3.connect(file, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem) as told, database.write():
        raise AssertionError("two at once")
    assert (told.value.code, told.value.status, told.value.retry_after_s) == ("TOWN_BUSY", 503, 5)
    stranger.execute("ROLLBACK")
    with database.write():
        pass
    stranger.close()
    database.close()


def test_town_is_told_in_words_when_the_queue_stands_still(file: Path) -> None:
    database = open_database(str(file), "misaki")
    database.whole.turns = Turns(file, waits_s=0.05)
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(Problem) as problem, database.write():
            raise AssertionError("two at once")
        told.append(problem.value.code)

    with database.write():
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert told == ["TOWN_BUSY"]
    database.close()


def test_database_in_memory_has_no_file_beside_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite://")
    with database.turn():
        pass
    database.close()
    assert list(tmp_path.iterdir()) == []
