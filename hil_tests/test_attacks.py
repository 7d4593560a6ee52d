"""Garbage and forgeries over Bluetooth LE, against the lock on the bench.

Whatever a stranger writes: the door stays shut, nothing is put into the journal for it (unless the
stranger proved possession), the lock goes on, and a good key opens at the next try.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import pytest
import pytest_asyncio
from bleak import BleakClient
from bleak.exc import BleakError

from hil_tests.bench import Bench, Housekeeping, until
from hil_tests.conftest import open_bench
from protocol import cose, frames, gatt, holder, keys, session
from protocol import token as tokens
from protocol.holder import Credential, HolderSession
from protocol.lockstate import BOLT_LOCKED, STATE_BOLT, STATE_HEAD_SEQ
from simulator.phone.ble import LockLink, RadioError, find_lock
from simulator.town_keys import envelope

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]

RANDOM_WRITES = 200
SEED = 20261205


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def only_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """One lock for all these tests: what one stranger does must not help the next."""
    async with open_bench(request.config, tmp_path_factory.mktemp("bench")) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def bench(only_bench: Bench) -> AsyncIterator[Bench]:
    """The lock before and after: the same life, locked; and afterwards a good key opens."""
    await until_locked(only_bench)
    life = only_bench.life()
    yield only_bench
    assert only_bench.life() == life, "the lock restarted"
    await until_locked(only_bench)
    good = only_bench.credential(-60, 600)
    assert (await only_bench.present(good)).code == "OPENED"
    assert (await only_bench.present(good, session.COMMAND_LOCK)).code == "LOCKED"


async def until_locked(bench: Bench) -> None:
    async def locked() -> bool:
        return await bench.bolt() == BOLT_LOCKED

    await until(locked, "the door is locked")


async def head_seq(bench: Bench) -> int:
    """How many records the lock has; asking adds none."""
    state = await bench.ask(session.REQUEST_STATE, None)
    assert state[STATE_BOLT] == BOLT_LOCKED
    return state[STATE_HEAD_SEQ]


class Stranger:
    """Writes raw bytes to the lock's characteristic, as any radio could."""

    def __init__(self, lock_id: str) -> None:
        self._lock_id = lock_id
        self.heard: list[bytearray] = []

    async def __aenter__(self) -> Stranger:
        self._client = BleakClient(await find_lock(self._lock_id))
        await self._client.connect()
        await self._client.start_notify(gatt.TX_UUID, lambda _, said: self.heard.append(said))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client.is_connected:
            await self._client.disconnect()

    async def write(self, raw: bytes, response: bool = True) -> bool:
        """False when the lock has hung up or its radio would not take it."""
        try:
            await self._client.write_gatt_char(gatt.RX_UUID, raw, response=response)
        except (BleakError, EOFError):
            return False
        return True

    async def is_hung_up_on(self) -> bool:
        return not self._client.is_connected


# --- forged tokens ---


def with_bytes(
    bench: Bench, credential: Credential, raw_token: bytes, proof_key: bytes
) -> Credential:
    """What a modified phone would present at this very lock: any bytes, any key."""
    credential.raw_token = raw_token
    credential.proof_keys = {bench.enrolment.lock_id: proof_key}
    return credential


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


async def test_a_token_changed_by_one_bit_is_refused_wherever_the_bit_is(bench: Bench) -> None:
    """Its proof key no longer fits, so nothing of it is believed or recorded."""
    before = await head_seq(bench)
    whole = bench.credential(-60, 600)
    for at in range(0, len(whole.raw_token), 9):
        forged = bench.credential(-60, 600)
        raw, key = flipped(forged.raw_token, at), forged.proof_keys[bench.enrolment.lock_id]
        result = await bench.present(with_bytes(bench, forged, raw, key))
        assert not result.granted, f"byte {at}"
        assert not result.authentic, f"byte {at}"
        assert result.code in ("BAD_MAC", "MALFORMED", "UNKNOWN_ISSUER", "WRONG_LOCK"), at
    assert await head_seq(bench) == before


async def test_a_longer_window_without_the_issuers_signature_is_refused_on_record(
    bench: Bench,
) -> None:
    """Even by somebody who has the vault's key, and so can prove possession."""
    before = await head_seq(bench)
    good = bench.credential(-600, -60)
    signed = cose.decode(good.raw_token)
    claims = good.token
    later = tokens.Token(
        claims.audience,
        claims.not_before,
        claims.expires_at + 7200,
        claims.issued_at,
        claims.cti,
        claims.permissions,
        claims.epoch,
    )
    raw = cose.encode(signed.kid, tokens.encode_claims(later), signed.signature)
    key = keys.proof_key(bench.town.kdk(bench.enrolment), raw)
    result = await bench.present(with_bytes(bench, good, raw, key))
    assert (result.code, result.authentic) == ("BAD_SIGNATURE", True)
    assert await head_seq(bench) == before + 1


async def test_a_token_of_another_lock_is_refused_though_the_phone_presents_it(
    bench: Bench,
) -> None:
    before = await head_seq(bench)
    other = bench.credential(-60, 600)
    claims = other.token
    token = tokens.Token(
        "aaaaaaaa",
        claims.not_before,
        claims.expires_at,
        claims.issued_at,
        claims.cti,
        claims.permissions,
        claims.epoch,
    )
    raw = envelope(bench.town.booking, tokens.encode_claims(token), b"")
    key = keys.proof_key(bench.town.kdk(bench.enrolment), raw)
    result = await bench.present(with_bytes(bench, other, raw, key))
    assert (result.code, result.authentic) == ("WRONG_LOCK", False)
    assert await head_seq(bench) == before


async def test_a_recorded_presentation_opens_nothing_a_second_time(bench: Bench) -> None:
    """Every byte of a good opening, said again to a new challenge."""
    said: list[bytes] = []

    class Overheard(LockLink):
        async def send(self, message: bytes) -> None:
            said.append(message)
            await super().send(message)

    from simulator.phone.opening import attempt

    async with Overheard(bench.enrolment.lock_id) as link:
        good = await attempt(link, bench.credential(-60, 600), session.COMMAND_UNLOCK, False)
    assert good.granted
    assert (await bench.present(bench.credential(-60, 600), session.COMMAND_LOCK)).granted
    await until_locked(bench)
    before = await head_seq(bench)
    async with LockLink(bench.enrolment.lock_id) as link:
        await link.send(said[0])
        await link.receive()
        await link.send(said[1])
        kind, body = session.split(await link.receive())
    assert kind == session.REFUSAL
    assert session.decode_refusal(body) == 5  # BAD_MAC
    assert await head_seq(bench) == before


# --- broken frames ---


def truncated(message: bytes) -> list[bytes]:
    """The first fragment of two, and never the second."""
    return frames.fragment(message * 2, 20)[:1]


def out_of_order(message: bytes) -> list[bytes]:
    first, *_, last = frames.fragment(message * 40, 20)
    return [first, last]


def endless(message: bytes) -> list[bytes]:
    """Fragments that never end a message: more than a message may have."""
    piece = bytes(180)
    return [bytes([frames.FIRST]) + piece] + [bytes([i & 63]) + piece for i in range(1, 30)]


def cut_presentation(message: bytes) -> list[bytes]:
    return [*frames.fragment(message, 180), *frames.fragment(bytes([session.PRESENTATION, 1]), 180)]


def nested_cbor(message: bytes) -> list[bytes]:
    deep = bytes([session.HELLO]) + b"\x81" * 3000
    return frames.fragment(deep, 180)


BROKEN: list[Callable[[bytes], list[bytes]]] = [
    truncated,
    out_of_order,
    endless,
    cut_presentation,
    nested_cbor,
    lambda hello: [b"\xff"],
    lambda hello: [b"\x00" * 20],
]


async def test_broken_frames_end_their_connection_and_nothing_else(bench: Bench) -> None:
    before = await head_seq(bench)
    for make in BROKEN:
        async with Stranger(bench.enrolment.lock_id) as stranger:
            for fragment in make(session.encode_hello()):
                if not await stranger.write(fragment):
                    break
            await until(stranger.is_hung_up_on, "the lock hangs up on a stranger who says no more")
    assert await head_seq(bench) == before


async def test_hundreds_of_random_writes_change_nothing(bench: Bench) -> None:
    before, chance = await head_seq(bench), random.Random(SEED)
    left = RANDOM_WRITES
    while left:
        async with Stranger(bench.enrolment.lock_id) as stranger:
            open_yet = True
            while left and open_yet:
                raw = chance.randbytes(chance.choice((1, 2, 19, 20, 100, 240)))
                open_yet = await stranger.write(raw, response=chance.random() < 0.5)
                left -= 1
                open_yet = open_yet and left % 25 != 0
    assert await head_seq(bench) == before


async def test_writes_beyond_the_mtu_and_the_attribute_size_change_nothing(bench: Bench) -> None:
    before = await head_seq(bench)
    for size in (245, 400, 512, 513, 2000, 70000):
        async with Stranger(bench.enrolment.lock_id) as stranger:
            await stranger.write(b"\xc0" + bytes(size))
    assert await head_seq(bench) == before


async def test_a_peer_that_vanishes_in_the_middle_is_forgotten(bench: Bench) -> None:
    """Connected, greeted, half a presentation said: gone. The same again, ten times."""
    before = await head_seq(bench)
    hello = frames.fragment(session.encode_hello(), 180)
    for _ in range(10):
        async with Stranger(bench.enrolment.lock_id) as stranger:
            for fragment in hello:
                await stranger.write(fragment)
            await stranger.write(bytes([frames.FIRST]) + bytes([session.PRESENTATION]) * 19)
        await asyncio.sleep(0)
    assert await head_seq(bench) == before


# --- a stolen gateway ---


class Recording:
    """What a gateway keeps of a session that it passes on, and what it does with it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.said: list[bytes] = []  # by phones, in order

    async def relay(self, link: LockLink, phone: HolderSession) -> session.Outcome:
        """Passes one phone's session on, honestly."""
        ((_, message),) = phone.start()
        self.said = [message]
        await link.send(message)
        ((_, message),) = phone.receive(await link.receive())
        self.said.append(message)
        await link.send(message)
        ((kind, outcome),) = phone.receive(await link.receive())
        assert kind == holder.OUTCOME
        return outcome

    async def introduce(self, link: LockLink) -> None:
        keeper = Housekeeping(link, self._bench.credential(-60, 600, tokens.MAINTAIN))
        await keeper.begin()
        assert keeper.outcome is not None
        assert keeper.outcome.reason == session.OK

    async def play(self, messages: list[bytes], introduces: bool) -> list[bytes]:
        """The lock's answers to recorded messages on a connection of their own."""
        answers = []
        async with LockLink(self._bench.enrolment.lock_id) as link:
            if introduces:
                await self.introduce(link)
            for message in messages:
                try:
                    await link.send(message)
                    answers.append(await link.receive(3.0))
                except RadioError:
                    break
        return answers


def grants(answer: bytes) -> bool:
    """Whether a whole message could be a lock's OK."""
    try:
        kind, _ = session.split(answer)
        raw_outcome, _ = session.split_mac(answer)
        return kind == session.OUTCOME and session.decode_outcome(raw_outcome[1:]).reason == 0
    except session.SessionError:
        return False


async def test_a_gateway_that_recorded_everything_opens_nothing_with_it(bench: Bench) -> None:
    """It relays one opening honestly, and then owns every byte of it."""
    gateway = Recording(bench)
    resident = bench.credential(-60, 600)
    async with LockLink(bench.enrolment.lock_id) as link:
        await gateway.introduce(link)
        phone = HolderSession(resident, session.COMMAND_UNLOCK_REMOTE, os.urandom)
        assert (await gateway.relay(link, phone)).reason == session.OK
    await until_locked(bench)
    recorded, before = gateway.said, await head_seq(bench)
    for introduces in (False, True):
        for messages in (recorded, recorded[::-1], recorded[1:], [recorded[0], recorded[0]]):
            answers = await gateway.play(messages, introduces)
            assert not any(grants(answer) for answer in answers)
    kept_back = HolderSession(resident, session.COMMAND_UNLOCK_REMOTE, os.urandom)
    ((_, hello),) = kept_back.start()
    (challenge,) = await gateway.play([hello], introduces=False)
    ((_, late),) = kept_back.receive(challenge)
    for introduces in (False, True):
        assert not any(grants(a) for a in await gateway.play([hello, late], introduces))
    assert await head_seq(bench) == before
