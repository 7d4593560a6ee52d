"""Broken bytes with Python's verdict on each, for the JavaScript side to agree with."""

from __future__ import annotations

from typing import Any

from protocol import audit, cbor, cose, session, signedtime, statuslist
from protocol import token as tokens
from protocol.cbor import CborError
from tests.protocol.decoders import TAGS, Mutator, corpus

_TALK = ("challenge", "presentation", "outcome", "request", "reply", "refusal", "hello")


def _decode_cbor(raw: bytes) -> Any:
    return cbor.decode(raw, TAGS)


READERS = {
    "cbor": _decode_cbor,
    "cose": cose.decode,
    "token": tokens.parse,
    "claims": tokens.decode_claims,
    "signed time": signedtime.parse,
    "signed time payload": signedtime.decode,
    "status list": statuslist.parse,
    "status header": statuslist.decode,
    "audit record": audit.decode_record,
    "audit parcel": audit.decode_parcel,
    "acknowledgement": audit.parse_ack,
    "acknowledgement payload": audit.decode_ack,
    "signed head": audit.decode_head,
    **{name: getattr(session, f"decode_{name}") for name in _TALK},
}


def judged_inputs(rounds: int) -> list[list[Any]]:
    """[target, hex, whether Python takes it] for seeded mutations of every target's corpus."""
    out = []
    for number, name in enumerate(sorted(READERS)):
        mutator, pool = Mutator(1000 + number), corpus(name)
        inputs = [mutator.mutate(pool) for _ in range(rounds)] + pool
        out += [[name, raw.hex(), _takes(name, raw)] for raw in inputs]
    return out


def _takes(name: str, raw: bytes) -> bool:
    try:
        READERS[name](raw)
    except (CborError, ValueError):
        return False
    return True
