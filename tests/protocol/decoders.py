"""Every decoder of the wire as a fuzz target, its corpus, and a mutator that repeats itself.

Contract of a target: a value or the decoder's own error, nothing else. The corpus is every byte
string in the vectors, the refused ones too, so it grows with them. `DECODERS` is what
test_decoders.py mutates on both runtimes and tests/fuzz with Hypothesis.
"""

from protocol import (
    audit,
    cbor,
    cose,
    frames,
    holder,
    keys,
    keyset,
    lockconfig,
    session,
    signedtime,
    statuslist,
)
from protocol import token as tokens
from protocol.cbor import CborError, Tag
from protocol.crypto import aes_ctr
from tests.protocol import support
from tests.protocol.noise import Lcg

TAGS = (cose.TAG_SIGN1,)
MAX_INPUT_BYTES = 5000
_HEX = "0123456789abcdef"
_MAX_ROWS = 16  # of one list of vectors: the corpus is to fit a small heap


def seeds(*names):
    """The byte strings in these files of vectors, sorted."""
    found = set()
    for name in names:
        _collect(support.vectors(name), found)
    return sorted(found)


def _collect(item, found):
    """Takes `item` apart as it goes, so that text and bytes are never both there."""
    if isinstance(item, dict):
        while item:
            _collect(item.popitem()[1], found)
    elif isinstance(item, list):
        del item[_MAX_ROWS:]
        while item:
            _collect(item.pop(), found)
    elif isinstance(item, str) and item and len(item) % 2 == 0 and all(c in _HEX for c in item):
        found.add(support.unhex(item))


def bodies(pool):
    """Messages without their type byte."""
    return [raw[1:] for raw in pool if len(raw) > 1]


# --- mutations ---

ODD_VALUES = (
    None,
    True,
    False,
    0,
    -1,
    24,
    (1 << 40) - 1,
    (1 << 64) - 1,
    -(1 << 64),
    b"",
    b"x" * 32,
    "",
    "x" * 32,
    "kitaguch",
    "+gymnasia",
    [],
    [0, 0],
    [[]],
    {},
    {0: 0},
    {"": {b"": None}},
    Tag(18, [b"", {}, b"", b""]),
)


class Mutator:
    """Broken relatives of the seeds; the same ones for the same number."""

    def __init__(self, number):
        self._random = Lcg(number)

    def mutate(self, pool):
        """One of the pool, changed one to four times."""
        random = self._random
        raw = pool[random.below(len(pool))]
        if random.below(3) == 0:
            raw = self.restructure(raw)
        for _ in range(random.below(4) + (raw in pool)):
            raw = self._change(raw, pool)
        return raw[:MAX_INPUT_BYTES]

    def restructure(self, raw):
        """Well-formed CBOR with one member replaced; as it is when it is no CBOR."""
        try:
            return cbor.encode(self._replace(cbor.decode(raw, TAGS)))
        except (CborError, TypeError):
            return raw

    def _replace(self, value):
        random = self._random
        if random.below(4) == 0:
            return ODD_VALUES[random.below(len(ODD_VALUES))]
        if isinstance(value, Tag):
            return Tag(value.number, self._replace(value.value))
        if isinstance(value, list) and value:
            at = random.below(len(value))
            return value[:at] + [self._replace(value[at])] + value[at + 1 :]
        if isinstance(value, dict) and value:
            key = list(value)[random.below(len(value))]
            changed = dict(value)
            changed[key] = self._replace(value[key])
            return changed
        if isinstance(value, bytes) and value:
            return self.restructure(value)
        return ODD_VALUES[random.below(len(ODD_VALUES))]

    def _change(self, raw, pool):
        random = self._random
        at = random.below(len(raw) + 1)
        kind = random.below(7)
        if kind == 0:
            return raw[:at] + random.bytes(1 + random.below(3)) + raw[at:]
        if kind == 1:
            return raw[:at] + raw[at + 1 + random.below(8) :]
        if kind == 2:
            other = pool[random.below(len(pool))]
            return raw[:at] + other[random.below(len(other) + 1) :]
        if kind == 3:
            return raw[:at]
        if kind == 4:
            return raw + raw[at:]
        if at == len(raw):
            return raw + b"\x00"
        return raw[:at] + bytes([self._other(raw[at], kind)]) + raw[at + 1 :]

    def _other(self, byte, kind):
        """A bit turned, or another length under the same CBOR type."""
        random = self._random
        if kind == 5:
            return byte ^ (1 << random.below(8))
        return (byte & 0xE0) | random.below(32)


# --- readers ---


def decode_cbor(raw):
    """There is one encoding of each value."""
    if cbor.encode(cbor.decode(raw, TAGS)) != raw:
        raise AssertionError("another encoding was taken")


def reassemble(raw):
    """`raw` cut into fragments where its own bytes say."""
    inbox, at, held = frames.Reassembler(512), 0, 0
    while at < len(raw):
        size = raw[at] % 64
        try:
            message = inbox.push(raw[at + 1 : at + 1 + size])
            held = max(held, len(message or b""))
        except frames.FrameError:
            pass
        at += 1 + size
    if held > 512:
        raise AssertionError("a message longer than the bound")


def read_claims(raw):
    """A token that is taken has a window at any second, within its own."""
    token = tokens.decode_claims(raw)
    for t in (0, token.not_before, support.NOON, token.expires_at):
        start, end = token.window(t)
        if start < token.not_before or end > token.expires_at:
            raise AssertionError("a window beyond the token")


def again(decode, encode):
    """A reader whose accepted input encodes to itself."""

    def read(raw):
        if encode(decode(raw)) != raw:
            raise AssertionError("another encoding was taken")

    return read


def read_config(raw):
    """Figures may be left out, so the encoding may be longer; what it says stays the same."""
    config = lockconfig.decode(raw)
    again_ = lockconfig.decode(lockconfig.encode(config))
    for name, least, most, _ in lockconfig.FIGURES.values():
        figure = getattr(again_.door, name)
        if figure != getattr(config.door, name) or not least <= figure <= most:
            raise AssertionError("another figure")


def unpack(raw):
    """`raw` as what a parcel hides, under the lock's own seal."""
    try:
        count = len(cbor.decode(raw))
    except (CborError, TypeError):
        count = 1
    kdk, salt = support.kdk(), bytes(audit.SALT_BYTES)
    hidden = aes_ctr(support.aes(keys.audit_cipher_key(kdk, salt)), raw)
    parcel = cbor.encode([support.LOCK, support.EPOCH, 1, 0, count, salt, hidden])
    audit.unpack(support.aes, kdk, parcel, audit.seal(keys.audit_key(kdk), parcel))


def converse_as_holder(raw):
    """The same bytes in each state of a holder, under a good MAC where there is one."""
    for stage in range(3):
        machine, mac = _holder_at(stage)
        for event in machine.receive(raw + mac(raw)):
            if event[0] == holder.SEND and stage:
                raise AssertionError("said something more")


def _holder_at(stage):
    raw_token = support.issue()
    key, greeting = support.key_for(raw_token), support.make_greeting()
    machine = support.make_holder(raw_token)
    machine.start()
    if stage == 0:
        return machine, lambda raw: b""
    ((_, message),) = machine.receive(greeting[1])
    presentation, mac_h = session.split_mac(message)
    if stage == 1:
        return machine, lambda raw: session.outcome_mac(key, greeting, presentation, mac_h, raw)
    outcome = session.encode_outcome(session.Outcome(session.OK, {}, 1, bytes(32)))
    mac = session.outcome_mac(key, greeting, presentation, mac_h, outcome)
    machine.receive(outcome + mac)
    ((_, asked),) = machine.request(session.REQUEST_STATE, None)
    request, bound = session.split_mac(asked)[0], session.transcript
    bound = bound(greeting, presentation, outcome)
    return machine, lambda raw: session.reply_mac(key, bound, request, raw)


def judge(raw):
    """A whole presentation before a lock: a verdict, and no signature without a MAC."""
    lock = support.Lock(groups=[support.GROUP])
    lock.judge(raw)
    if lock.verifier.calls:
        raise AssertionError("a signature was checked for a stranger")


# --- targets: name -> (reader, its own errors, files of the corpus, whether types are cut off) ---

_COSE = cose.CoseError
_TOKEN = tokens.TokenError
_STATUS = statuslist.StatusListError
_AUDIT = audit.AuditError
_KEYSET = keyset.KeysetError
_CONFIG = lockconfig.LockConfigError
_TIME = signedtime.SignedTimeError
_SAID = (session.SessionError,)
_TALK = ("session",)

DECODERS = {
    "cbor": (decode_cbor, (CborError,), ("cbor", "token"), False),
    "cose": (cose.decode, (_COSE,), ("token", "statuslist"), False),
    "token": (tokens.parse, (_COSE, _TOKEN), ("token", "claim"), False),
    "claims": (read_claims, (_TOKEN,), ("token",), False),
    "keyset": (keyset.parse, (_COSE, _KEYSET), ("keyset",), False),
    "keyset payload": (keyset.decode, (_KEYSET,), ("keyset",), False),
    "configuration": (lockconfig.parse, (_COSE, _CONFIG), ("lockconfig",), False),
    "configuration payload": (read_config, (_CONFIG,), ("lockconfig",), False),
    "signed time": (signedtime.parse, (_COSE, _TIME), ("signedtime",), False),
    "signed time payload": (
        again(signedtime.decode, signedtime.encode),
        (_TIME,),
        ("signedtime",),
        False,
    ),
    "status list": (statuslist.parse, (_COSE, _STATUS), ("statuslist",), False),
    "status header": (
        again(statuslist.decode, statuslist.encode),
        (_STATUS,),
        ("statuslist",),
        False,
    ),
    "audit record": (again(audit.decode_record, audit.encode_record), (_AUDIT,), ("audit",), False),
    "audit parcel": (audit.decode_parcel, (_AUDIT,), ("audit",), False),
    "audit parcel, hidden": (unpack, (_AUDIT,), ("audit",), False),
    "acknowledgement": (audit.parse_ack, (_COSE, _AUDIT), ("audit",), False),
    "acknowledgement payload": (
        again(audit.decode_ack, audit.encode_ack),
        (_AUDIT,),
        ("audit",),
        False,
    ),
    "signed head": (audit.decode_head, (_AUDIT,), ("audit",), False),
    "hello": (session.decode_hello, _SAID, _TALK, True),
    "challenge": (session.decode_challenge, _SAID, _TALK, True),
    "presentation": (session.decode_presentation, _SAID, _TALK, True),
    "whole presentation": (session.open_presentation, _SAID, _TALK, False),
    "outcome": (session.decode_outcome, _SAID, _TALK, True),
    "request": (session.decode_request, _SAID, _TALK, True),
    "reply": (session.decode_reply, _SAID, _TALK, True),
    "refusal": (session.decode_refusal, _SAID, _TALK, True),
    "frames": (reassemble, (), ("frames",), False),
    "holder": (converse_as_holder, (), _TALK, False),
    "lock": (judge, (), ("verdicts",), False),
}
SLOW = ("holder", "lock", "audit parcel, hidden")


def corpus(name):
    """What to mutate for a target."""
    _, _, files, types_are_cut_off = DECODERS[name]
    pool = seeds(*files)
    return bodies(pool) if types_are_cut_off else pool


def read_or_refuse(name, read, errors, raw):
    """Whether `read` takes `raw`; what is not its own error goes up, and the input is printed."""
    try:
        read(raw)
    except errors:
        return False
    except Exception:
        print(name, "broke on", repr(raw))
        raise
    return True
