"""The gateway file and the certificates: what this gateway was given, and how long it is good.

Decides when an end is soon: early enough for a person who comes by once a month.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gateway import files
from gateway.files import Place
from gateway.health.findings import Finding, days
from kannuki.enrolment import FileError
from kannuki.errors import InputError
from kannuki.settings import is_open_to_others

TOKEN_SOON_S = 14 * 86400
CERTIFICATE_SOON_S = 30 * 86400
ASK_TOWN = "get the gateway's file from the town's service (kannuki cloud gateway-credential)"


def read_file(path: Path) -> tuple[Place | None, list[Finding]]:
    """The gateway file, and what is to be said of it."""
    try:
        place = files.read_place(path)
        is_open = is_open_to_others(path, path.stat().st_mode, os.environ)
    except (FileError, OSError) as error:
        return None, [Finding("file", "FILE_UNUSABLE", str(error), ASK_TOWN)]
    if is_open:
        text = f"{path} holds secrets and other users of this computer can read it"
        return place, [Finding("file", "FILE_OPEN_TO_OTHERS", text, f"chmod 600 {path}")]
    about = f"{place.gateway_id} of {place.town}"
    if not place.credentials:
        text = f"this is {about}, and it has no locks yet"
        return place, [Finding("file", "FILE_NO_LOCKS", text, ASK_TOWN)]
    return place, [Finding("file", "FILE_OK", f"this is {about}, {_locks(len(place.credentials))}")]


def judge_tokens(place: Place, wall: float) -> list[Finding]:
    """How long the locks will let this gateway do its housekeeping."""
    ends = {lock: key.token.expires_at for lock, key in place.credentials.items()}
    if not ends:
        return []
    ended = sorted(lock for lock, end in ends.items() if end <= wall)
    soon = sorted(lock for lock, end in ends.items() if wall < end <= wall + TOKEN_SOON_S)
    remedy = f"{ASK_TOWN}; a running gateway takes up the new file by itself"
    if ended:
        text = f"the token for {_some(ended)} has ended: no records, no revocations, no time there"
        return [Finding("tokens", "TOKENS_ENDED", text, remedy)]
    left = days(min(ends.values()) - wall)
    if soon:
        text = f"the token for {_some(soon)} ends in {left}"
        return [Finding("tokens", "TOKENS_END_SOON", text, remedy)]
    return [Finding("tokens", "TOKENS_OK", f"the locks know this gateway for another {left}")]


def judge_certificates(ends: Mapping[str, float], wall: float) -> Finding:
    """`ends`: Unix seconds by certificate; empty where the broker is spoken to without."""
    if not ends:
        text = "the broker is spoken to without certificates (fine on this computer only)"
        return Finding("certificates", "CERTIFICATES_NONE", text)
    name, end = min(ends.items(), key=lambda item: item[1])
    remedy = "have it renewed at the town's broker (docs/howto/run-a-broker.md)"
    if end <= wall:
        text = f"the certificate '{name}' ended {days(wall - end)} ago: the broker is out of reach"
        return Finding("certificates", "CERTIFICATES_ENDED", text, remedy)
    text = f"the certificate '{name}' ends in {days(end - wall)}"
    if end <= wall + CERTIFICATE_SOON_S:
        return Finding("certificates", "CERTIFICATES_END_SOON", text, remedy)
    return Finding("certificates", "CERTIFICATES_OK", text)


def unusable_certificates(error: InputError) -> Finding:
    """They cannot be read, do not belong together or to this gateway, or are not named at all."""
    return Finding("certificates", "CERTIFICATES_UNUSABLE", error.message, error.remedy)


def earliest_plausible(place: Place | None, gateway_file: Path) -> float:
    """No clock that is right can be before this: somebody signed or wrote something then."""
    moments = [float(key.token.issued_at) for key in place.credentials.values()] if place else []
    stamp = files.stamp(gateway_file)
    if stamp is not None:
        moments.append(stamp[0] / 1e9)
    return max(moments, default=0.0)


def _locks(count: int) -> str:
    return "1 lock" if count == 1 else f"{count} locks"


def _some(locks: list[str]) -> str:
    return locks[0] if len(locks) == 1 else f"{locks[0]} and {len(locks) - 1} more"
