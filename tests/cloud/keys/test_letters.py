"""Letters with key links: a real mail server takes them, refuses them, or is not there."""

from __future__ import annotations

import asyncio
import email
import email.policy
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from cloud import reports
from cloud.keyring import mail
from cloud.keyring.mail import Letter, MailFailed, MailRefused, SmtpMailer, SpoolMailer
from cloud.keyring.worker import KeySteps, KeyWorker
from cloud.models import KeyDelivery
from kannuki.settings import free_port
from tests.cloud.keys.support import (
    CONTACT,
    PostOffice,
    book,
    cancel,
    claim,
    link,
    live,
    steps,
    with_mail,
)
from tests.cloud.support import START, Town
from tests.cloud.test_keys import Phone

SENDER = "keys@town.example"


class Box:
    """A mail server's handler: keeps what comes, refuses whom it is told to."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.answer = "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.kept.append(content)
        return "250 taken"


@pytest.fixture
def box() -> Iterator[tuple[Box, SmtpMailer]]:
    """A server on this machine that wants a name and a password."""

    def sign_in(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and data.password == b"open sesame"
        return AuthResult(success=known, handled=False)

    box, port = Box(), free_port()
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        authenticator=sign_in,
        auth_require_tls=False,
    )
    server.start()
    try:
        mailer = SmtpMailer("127.0.0.1", port, SENDER, "none", "town", "open sesame", 5.0)
        yield box, mailer
    finally:
        server.stop()


def letter(to: str = CONTACT, subject: str = "鍵です。") -> Letter:
    return Letter("abc123", to, subject, "こんにちは\n", START)


def delivery(town: Town, booking_id: str) -> KeyDelivery:
    with town.service.database.read() as session:
        return session.get_one(KeyDelivery, (booking_id, ""))


def test_link_in_a_letter_from_a_real_server_collects_the_key(
    town: Town, box: tuple[Box, SmtpMailer]
) -> None:
    booking_id = book(town)
    KeySteps(with_mail(town.service), "みさき市", box[1]).drain()
    (raw,) = box[0].kept
    told = email.message_from_bytes(raw, policy=email.policy.default)
    assert (told["To"], told["From"], told["Auto-Submitted"]) == (CONTACT, SENDER, "auto-generated")
    assert "第1会議室" in str(told["Subject"])
    body = told.get_body()
    assert body is not None
    text = body.get_content()
    assert "山田" not in text
    for words in ("2026-12-05 10:00-11:00", "スマートフォン", "かぎ", "key"):
        assert words in text
    secret = text.partition("https://key.example/open#")[2].split()[0]
    assert claim(town, secret, Phone()).booking.booking_id == booking_id
    assert delivery(town, booking_id).state == "sent"


def test_server_that_refuses_for_good_makes_an_alarm_and_no_second_try(
    town: Town, box: tuple[Box, SmtpMailer]
) -> None:
    booking_id = book(town)
    box[0].answer = "550 no such person"
    worker = KeySteps(with_mail(town.service), "みさき市", box[1])
    worker.drain()
    town.clock.now += 86_400
    worker.drain()
    assert (delivery(town, booking_id).state, worker.counts["mail_refused"]) == ("refused", 1)
    with town.service.database.read() as session:
        assert [line["kind"] for line in reports.alarm_lines(session, 9)] == ["KEY_MAIL_REFUSED"]


def test_server_that_is_busy_or_away_is_tried_again_later(
    town: Town, box: tuple[Box, SmtpMailer]
) -> None:
    booking_id = book(town, START + 86_400)
    box[0].answer = "451 busy"
    worker = KeySteps(with_mail(town.service), "みさき市", box[1])
    worker.drain()
    assert (delivery(town, booking_id).state, worker.counts["mail_failed"]) == ("waiting", 1)
    nobody = replace(box[1], port=free_port())
    town.clock.now += 3700
    KeySteps(with_mail(town.service), "みさき市", nobody).drain()
    box[0].answer = "250 OK"
    town.clock.now += 3700
    worker.drain()
    assert delivery(town, booking_id).state == "sent"
    assert len(box[0].kept) == 1


def test_wrong_password_sends_nothing_and_is_no_refusal(box: tuple[Box, SmtpMailer]) -> None:
    with pytest.raises(MailFailed, match="535"):
        replace(box[1], password="wrong").send(letter())
    assert box[0].kept == []


def test_server_without_starttls_gets_no_letter(box: tuple[Box, SmtpMailer]) -> None:
    with pytest.raises(MailFailed):
        replace(box[1], security="starttls").send(letter())
    with pytest.raises(MailFailed):
        replace(box[1], security="tls").send(letter())
    assert box[0].kept == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "090-1234-5678",
        "a@b\r\nBcc: everyone@example.jp",
        "a@example.jp, b@example.jp",
        "Hanako <a@example.jp>",
        "a b@example.jp",
        "はなこ@example.jp",
        "a@-example.jp",
        "a" * 65 + "@example.jp",
    ],
)
def test_what_is_no_address_gets_no_letter(town: Town, tmp_path: Path, address: str) -> None:
    assert not mail.is_address(address)
    with pytest.raises(MailRefused):
        SpoolMailer(tmp_path / "spool", SENDER).send(letter(address))
    post = PostOffice()
    book(town, contact=address)
    steps(town, post).drain()
    assert post.letters == []


def test_line_break_in_a_name_makes_no_header(tmp_path: Path) -> None:
    raw = mail.compose(letter(subject="鍵\r\nBcc: x@example.jp"), SENDER).as_bytes()
    assert email.message_from_bytes(raw)["Bcc"] is None


def test_spool_is_private_and_holds_whole_letters(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    SpoolMailer(folder, SENDER).send(letter())
    (path,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (stat.S_IMODE(path.stat().st_mode), path.suffix) == (0o600, ".eml")


def test_letter_is_repr_without_its_content() -> None:
    assert "こんにちは" not in repr(letter()) and "鍵" not in repr(letter())
    assert "sesame" not in repr(SmtpMailer("h", 1, SENDER, "tls", "u", "open sesame"))


def test_who_has_a_link_already_or_a_cancelled_booking_gets_no_letter(town: Town) -> None:
    post = PostOffice()
    link(town, book(town))
    gone = book(town, START + 7200)
    cancel(town, gone)
    steps(town, post).drain()
    assert post.letters == []


def test_booking_cancelled_while_its_letter_waits_gets_none(town: Town) -> None:
    post = PostOffice(fails=[MailFailed("away")])
    booking_id = book(town)
    steps(town, post).drain()
    cancel(town, booking_id)
    town.clock.now += 600
    steps(town, post).drain()
    assert post.letters == []
    assert delivery(town, booking_id).state == "moot"


@pytest.mark.parametrize("mails", [True, False])
def test_number_is_in_the_letter_only_where_the_town_says_so(town: Town, mails: bool) -> None:
    post, booking_id = PostOffice(), book(town)
    service = replace(with_mail(town.service), mail_pins=mails)
    KeySteps(service, "みさき市", post).drain()
    (sent,) = post.letters
    pin = claim(town, post.secrets()[0], Phone()).pin
    assert pin is not None
    grouped = f"{pin.digits[:3]}-{pin.digits[3:6]}-{pin.digits[6:]}"
    assert (grouped in sent.text) is mails
    assert pin.digits not in sent.text
    assert booking_id


async def test_slow_mail_server_keeps_no_key_waiting(town: Town) -> None:
    stuck, let_go = Event(), Event()

    class Slow(PostOffice):
        def send(self, letter: Letter) -> None:
            stuck.set()
            let_go.wait(20)
            super().send(letter)

    post = Slow()
    book(town)
    worker = KeyWorker(KeySteps(with_mail(town.service), "みさき市", post), lambda: None)
    running = asyncio.create_task(worker.run())
    try:
        assert await asyncio.to_thread(stuck.wait, 20)
        second = book(town, START + 7200)
        worker.poke()
        async with asyncio.timeout(20):
            while not live(town, second):
                await asyncio.sleep(0.02)
        assert post.letters == []
    finally:
        let_go.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
