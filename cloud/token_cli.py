"""`kannuki token`: issue, inspect and verify single tokens by hand.

Decides how claims read and how a verdict is told. The verdict itself is libsodium's for the
signature and the lock's own order of checks for the rest; proof of possession needs a lock and is
not judged here.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import click
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from cloud.issuer import OrderError, TokenSigner
from cloud.keyfiles import read_key
from cloud.keysets import PERMISSION_NAMES as PERMISSIONS
from cloud.keysets import open_document
from cloud.moments import TOWN_OFFSET_MINUTES, moment, time_text
from cloud.ports import TokenOrder
from cloud.roles import ISSUERS
from kannuki.enrolment import FileError, TrustFile, read_file
from kannuki.errors import EXIT_FAILED, EXIT_OK, InputError
from kannuki.messages import to_base64url
from kannuki.texts import LANGUAGES, refusal
from protocol import keys, reasons
from protocol import token as tokens
from protocol.cose import CoseError, Signed
from protocol.keyset import ROLE_BOOKING, ROLE_EMERGENCY, ROLE_STAFF, IssuerKey
from protocol.timebound import AFTER, BEFORE, TimeBound
from protocol.token import WEEK_MINUTES, Token, TokenError, Weekly

_ISSUING = (ROLE_BOOKING, ROLE_STAFF, ROLE_EMERGENCY)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([a-z]{3}) ([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])\Z")
MAX_INPUT_BYTES = 64 * 1024
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def token() -> None:
    """Issue, inspect and verify tokens."""


@token.command()
@click.option("--issuer-key-file", type=_FILE, required=True, help="An issuer's key file.")
@click.option("--lock", "--audience", "audience", required=True, help="A lock's or group's id.")
@click.option("--not-before", required=True, help="ISO 8601 or Unix seconds.")
@click.option("--expires-at", required=True, help="ISO 8601 or Unix seconds; not included.")
@click.option("--issued-at", help="ISO 8601 or Unix seconds. [default: now]")
@click.option("--permissions", default="unlock,unlock-remote", help=", ".join(PERMISSIONS))
@click.option("--vault-epoch", type=click.IntRange(1, 255), default=1, help="For the proof key.")
@click.option("--weekly", "hours", multiple=True, help="Only then, as 'mon 09:00-12:00'; repeat.")
@click.option("--once", is_flag=True, help="It opens a single time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def issue(
    issuer_key_file: Path,
    audience: str,
    not_before: str,
    expires_at: str,
    issued_at: str | None,
    permissions: str,
    vault_epoch: int,
    hours: tuple[str, ...],
    once: bool,
    as_json: bool,
) -> None:
    """Sign a token; prints it as base64url. Alone it opens nothing: that needs its proof key."""
    key = read_key(issuer_key_file, *ISSUERS)
    window = moment(not_before), moment(expires_at)
    weekly = _weekly(hours)
    order = TokenOrder(audience, *window, _bits(permissions), vault_epoch, weekly, once)
    at = moment(issued_at) if issued_at else int(time.time())
    try:
        issued = TokenSigner(key, secrets.token_bytes).issue(order, at)
    except (OrderError, TokenError) as error:
        raise InputError(f"cannot issue this token: {error}", "see: token issue --help") from None
    text = to_base64url(issued.raw_token)
    answer = {"token": text, "cti": issued.cti.hex(), "bytes": len(issued.raw_token)}
    click.echo(json.dumps(answer) if as_json else text)


@token.command()
@click.argument("source", default="-")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(source: str, as_json: bool) -> None:
    """Show the claims of a token: base64url, a file, or - for stdin. Checks no signature."""
    signed, claims = _parse(_read(source))
    shown = _claims(signed, claims)
    click.echo(json.dumps(shown, ensure_ascii=False) if as_json else _lines(shown))


@token.command()
@click.argument("source", default="-")
@click.option("--public-key", help="The issuer's Ed25519 public key: hex or base64url.")
@click.option("--trust", "trust_path", type=_FILE, help="A trust file (kannuki cloud trust).")
@click.option("--lock", "lock_id", required=True, help="The lock that shall judge.")
@click.option("--at", help="ISO 8601 or Unix seconds. [default: now]")
@click.option(
    "--command",
    type=click.Choice(list(PERMISSIONS)),
    default="unlock",
    help="What the holder asks for.",
)
@click.option("--group", "groups", multiple=True, help="A group that the lock belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    source: str,
    public_key: str | None,
    trust_path: Path | None,
    lock_id: str,
    at: str | None,
    command: str,
    groups: tuple[str, ...],
    as_json: bool,
) -> int:
    """Judge a token as a lock would, but for possession and revocation; exit code 1 when denied."""
    if (public_key is None) == (trust_path is None):
        raise click.UsageError("name either --public-key or --trust")
    if not tokens.is_lock_id(lock_id):
        raise InputError(f"'{lock_id}' is no lock id", "8 characters of a-z and 2-7")
    signed, claims = _parse(_read(source))
    trusted = _trusted(public_key, trust_path)
    now = moment(at) if at else int(time.time())
    reason = _judge(signed, claims, trusted, (lock_id, *groups), now, PERMISSIONS[command])
    answer = {"verdict": "Allowed" if reason == 0 else "Denied", **_told(reason, claims, now)}
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else _lines(answer))
    return EXIT_OK if reason == 0 else EXIT_FAILED


# --- judging ---


def _trusted(public_key: str | None, path: Path | None) -> dict[bytes, IssuerKey]:
    """{kid: what it may issue}"""
    if public_key is not None:
        raw = _public_key(public_key)
        any_time = 1 << 40
        return {keys.key_id(raw): IssuerKey(raw, 0, tokens.ALL_PERMISSIONS, any_time, any_time)}
    assert path is not None
    try:
        trust = read_file(path, TrustFile)
    except FileError as error:
        raise InputError(str(error), "make one with: kannuki cloud trust") from None
    keyset = open_document(trust.keyset).keyset
    if set(keyset.roots) != set(trust.roots):
        raise InputError(f"{path} names other roots than its keyset", "write it anew")
    return {kid: row for kid, row in keyset.keys.items() if row.role in _ISSUING}


def _judge(
    signed: Signed,
    claims: Token,
    trusted: dict[bytes, IssuerKey],
    audiences: tuple[str, ...],
    now: int,
    permission: int,
) -> int:
    """0, or a reason, in the order in which a lock finds them (protocol/verify.py)."""
    if claims.audience not in audiences:
        return reasons.WRONG_LOCK
    if signed.kid not in trusted:
        return reasons.UNKNOWN_ISSUER
    issuer = trusted[signed.kid]
    if not _is_signed(issuer.public_key, signed):
        return reasons.BAD_SIGNATURE
    if not _may_issue(issuer, claims):
        return reasons.NOT_ALLOWED_TO_ISSUE
    relation = claims.relation(TimeBound(now, now))
    if relation in (BEFORE, AFTER):
        return reasons.NOT_YET_VALID if relation == BEFORE else reasons.EXPIRED
    return 0 if claims.permissions & permission else reasons.SCOPE


def _may_issue(issuer: IssuerKey, claims: Token) -> bool:
    if issuer.role == ROLE_EMERGENCY and tokens.is_group_id(claims.audience):
        return False
    return (
        not claims.permissions & ~issuer.permissions
        and claims.expires_at - claims.not_before <= issuer.max_lifetime_s
        and claims.not_before - claims.issued_at <= issuer.max_ahead_s
    )


def _is_signed(public_key: bytes, signed: Signed) -> bool:
    try:
        VerifyKey(public_key).verify(signed.signed_bytes(), signed.signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def _told(reason: int, claims: Token, now: int) -> dict[str, Any]:
    if reason == 0:
        return {"reason": None}
    name = reasons.name(reason)
    opens = claims.window(now)[0]
    left_s = max(opens - now, 0)
    opens_at = time_text(opens)[:16].replace("T", " ")
    told: dict[str, Any] = {"reason": name}
    for lang in LANGUAGES:
        told[lang] = refusal(name, lang, seconds_left=left_s, opens_at=opens_at)
    if reason == reasons.NOT_YET_VALID:
        told["opens_at"] = opens
    return told


# --- reading and showing ---


def _read(source: str) -> bytes:
    """Raw token bytes from an argument, a file (raw or text) or stdin."""
    if source == "-":
        return _unwrapped(sys.stdin.buffer.read(MAX_INPUT_BYTES + 1))
    path = Path(source)
    try:
        if len(source) < 255 and path.is_file():
            with open(path, "rb") as file:
                return _unwrapped(file.read(MAX_INPUT_BYTES + 1))
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}", "check the path") from None
    return _unwrapped(source.encode(errors="replace"))


def _unwrapped(content: bytes) -> bytes:
    """Base64url text becomes bytes; bytes that are none are taken as they are."""
    text = content.strip().rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_")
    if len(content) > MAX_INPUT_BYTES:
        raise InputError("this is far longer than a token", "name a token")
    try:
        raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        return content
    return raw if to_base64url(raw).encode() == text else content


def _parse(raw: bytes) -> tuple[Signed, Token]:
    try:
        return tokens.parse(raw)
    except (CoseError, TokenError) as error:
        raise InputError(f"this is not a token: {error}", "a token is base64url text") from None


def _claims(signed: Signed, claims: Token) -> dict[str, Any]:
    return {
        "lock": claims.audience,
        "not_before": claims.not_before,
        "not_before_text": time_text(claims.not_before),
        "expires_at": claims.expires_at,
        "expires_at_text": time_text(claims.expires_at),
        "issued_at": claims.issued_at,
        "issued_at_text": time_text(claims.issued_at),
        "permissions": [name for name, bit in PERMISSIONS.items() if claims.permissions & bit],
        "cti": claims.cti.hex(),
        "vault_epoch": claims.epoch,
        "weekly": _weekly_text(claims.weekly),
        "once": claims.once,
        "issuer_kid": signed.kid.hex(),
    }


def _lines(shown: dict[str, Any]) -> str:
    width = max(map(len, shown))
    return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in shown.items())


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)


def _bits(text: str) -> int:
    bits = 0
    for name in text.split(","):
        if name.strip() not in PERMISSIONS:
            known = ", ".join(PERMISSIONS)
            raise InputError(f"no permission '{name.strip()}'", f"there are: {known}")
        bits |= PERMISSIONS[name.strip()]
    return bits


def _weekly(hours: tuple[str, ...]) -> Weekly | None:
    """Hours of the week in the town's zone; an end before its start lies on the next day."""
    windows = []
    for text in hours:
        match = _HOURS.match(text.strip().lower())
        if match is None or match[1] not in _DAYS or max(match[2], match[4]) > "24":
            raise InputError(f"'{text}' are no hours of the week", "for example 'mon 09:00-12:00'")
        start = int(match[2]) * 60 + int(match[3])
        length = (int(match[4]) * 60 + int(match[5]) - start) % (24 * 60) or 24 * 60
        windows.append(((_DAYS.index(match[1]) * 24 * 60 + start) % WEEK_MINUTES, length))
    return Weekly(TOWN_OFFSET_MINUTES, windows) if windows else None


def _weekly_text(weekly: Weekly | None) -> list[str]:
    told = []
    for start, length in weekly.windows if weekly else ():
        day, minute = divmod(start, 24 * 60)
        ends = (minute + length) % (24 * 60)
        told.append(
            f"{_DAYS[day]} {minute // 60:02}:{minute % 60:02}-{ends // 60:02}:{ends % 60:02}"
        )
    return told


def _public_key(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = _unwrapped(text.encode())
    if len(raw) != keys.KEY_BYTES:
        raise InputError("a public key has 32 bytes", "hex or base64url")
    return raw
