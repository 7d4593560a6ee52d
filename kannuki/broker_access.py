"""A program's certificate at its broker: read strictly, watched, replaced without a restart.

Decides which files can be used (together, by their owner alone, in force) and what TLS must be: at
least 1.2, the broker certified by this one CA for the very host that was dialled. Connects nothing.
A pair that cannot be used never takes the place of one that can: who renews writes two files, and a
connection may fall between them. Invariant: a key's bytes are in no message.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kannuki.broker_options import Access, AccessFiles
from kannuki.dialling import WatchedSocket
from kannuki.errors import InputError
from kannuki.settings import read_secret_file

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1 << 20  # a revocation list of a large town
MAX_KEY_BYTES = 16384
RENEW_SOON_S = 90 * 86400
REMIND_EVERY_S = 7 * 86400
_HOWTO = "see docs/howto/run-a-broker.md"

Stamp = tuple[tuple[int, int, int] | None, ...]


class NotInForce(InputError):
    """The files are sound, but not now: expired, or not valid yet by this computer's clock."""


@dataclass(frozen=True)
class Certified:
    """A usable set of files. Times are Unix seconds; `identity` is the certificate's common name.

    `context` verifies the broker and shows the certificate.
    """

    context: ssl.SSLContext
    identity: str
    not_before: float
    not_after: float
    serial: int
    ca_not_after: float
    crl_next_update: float | None

    def ends(self) -> dict[str, float]:
        """Until when each file is good, for whoever tells people in time."""
        told = {"certificate": self.not_after, "CA": self.ca_not_after}
        if self.crl_next_update is not None:
            told["revocation list"] = self.crl_next_update
        return told

    def check_in_force(self, now: float) -> None:
        """Raises NotInForce."""
        if now < self.not_before:
            raise NotInForce(
                f"the certificate of {self.identity} is not valid before {_date(self.not_before)}",
                f"this computer's clock says {_date(now)}: set it",
            )
        if now > self.not_after:
            raise NotInForce(
                f"the certificate of {self.identity} expired on {_date(self.not_after)}",
                f"put a renewed one in its place: {_HOWTO}",
            )
        if now > self.ca_not_after:
            raise NotInForce(f"the broker's CA expired on {_date(self.ca_not_after)}", _HOWTO)
        if self.crl_next_update is not None and now > self.crl_next_update:
            raise NotInForce(
                f"the revocation list was good until {_date(self.crl_next_update)}",
                "put a newer one in the place of --broker-crl",
            )

    def check_identity(self, expected: str, numbered: bool = False) -> None:
        """Raises InputError when the certificate is somebody else's. numbered: -2 is one more."""
        name, _, number = self.identity.rpartition("-")
        is_further = numbered and number.isdecimal() and name == expected
        if self.identity != expected and not is_further:
            raise InputError(
                f"the certificate is for '{self.identity}', and this is '{expected}'",
                f"name the certificate that was issued for {expected}",
            )


def read_access(files: AccessFiles) -> Certified:
    """Reads all files, whatever the date. Raises InputError that says what to do."""
    for _ in range(3):
        before = stamp_of(files)
        certified = _read(files)
        if stamp_of(files) == before:
            return certified
    raise InputError(f"{files.cert} and {files.key} keep changing", "renew them one at a time")


class BrokerAccess:
    """The certificate in use, and its successor once there is one. `wall` gives Unix seconds."""

    def __init__(self, files: AccessFiles, wall: Callable[[], float]) -> None:
        self.files = files
        self._wall = wall
        self._seen: Stamp = ()
        self._refused: Stamp = ()
        self._current: Certified | None = None
        self._problem: InputError | None = None
        self._reminded_at = 0.0

    @property
    def current(self) -> Certified | None:
        """What was read last and could be used."""
        return self._current

    def certified(self) -> Certified:
        """The newest files that can be used now. Blocks while reading. Raises InputError."""
        self._take_newer()
        if self._current is None:
            assert self._problem is not None
            raise self._problem
        self._current.check_in_force(self._wall())
        self._warn_before_the_end(self._current)
        return self._current

    def context(self) -> ssl.SSLContext:
        """For one connection. Blocks while reading. Raises InputError."""
        return self.certified().context

    def renewed(self, in_use: ssl.SSLContext) -> bool:
        """Whether there are newer files in force than those behind `in_use`. Blocks while reading.

        Raises nothing: what cannot be used is logged, once.
        """
        try:
            return self.context() is not in_use
        except InputError as error:
            log.debug("no newer certificate: %s", error.message)
            return False

    def _take_newer(self) -> None:
        found = stamp_of(self.files)
        if self._current is not None and found in (self._seen, self._refused):
            return
        try:
            newer = read_access(self.files)
            if self._current is not None:
                newer.check_identity(self._current.identity)
                newer.check_in_force(self._wall())
        except InputError as error:
            self._refuse(found, error)
            return
        if self._current is not None:
            log.info("a renewed certificate, good until %s", _date(newer.not_after))
        self._current, self._seen, self._refused, self._problem = newer, found, (), None

    def _refuse(self, found: Stamp, error: InputError) -> None:
        """Keeps what there is, and says so once. What is not in force yet may be so next time."""
        is_news = self._problem is None or self._problem.message != error.message
        if self._current is not None and is_news:
            log.error("the new certificate is not used: %s (%s)", error.message, error.remedy)
        self._refused = () if isinstance(error, NotInForce) else found
        self._problem = error

    def _warn_before_the_end(self, certified: Certified) -> None:
        now = self._wall()
        if certified.not_after - now < RENEW_SOON_S and now - self._reminded_at > REMIND_EVERY_S:
            self._reminded_at = now
            until = _date(certified.not_after)
            log.warning("the certificate is good until %s only: renew it (%s)", until, _HOWTO)


def open_access(
    access: Access,
    host: str,
    identity: str,
    wall: Callable[[], float],
    numbered: bool = False,
) -> BrokerAccess | None:
    """What a program was told, ready for use at its start; None for a plain line.

    identity: whose certificate it must be; numbered: or that of one more (`TOWN.cloud-2`).

    Raises InputError for files that no waiting will mend. A certificate that is not in force is
    logged only: its renewal, or the right time, may come while the program does its other work.
    """
    access.check_host(host)
    if access.files is None:
        return None
    opened = BrokerAccess(access.files, wall)
    try:
        opened.certified()
    except NotInForce as error:
        log.error("%s (%s)", error.message, error.remedy)
    certified = opened.current
    assert certified is not None
    certified.check_identity(identity, numbered)
    return opened


def stamp_of(files: AccessFiles) -> Stamp:
    """Changes when one of the files does."""
    paths = [files.ca, files.cert, files.key, *([files.crl] if files.crl else [])]
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


# --- reading ---


def _read(files: AccessFiles) -> Certified:
    authorities = _certificates(files.ca, "--broker-ca")
    leaf = _certificates(files.cert, "--broker-cert")[0]
    _check_pair(leaf, files)
    _check_purpose(leaf, files.cert)
    return Certified(
        context=_context(files),
        identity=_identity(leaf, files.cert),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        serial=leaf.serial_number,
        ca_not_after=max(each.not_valid_after_utc.timestamp() for each in authorities),
        crl_next_update=_next_update(files.crl) if files.crl else None,
    )


def _context(files: AccessFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.sslsocket_class = WatchedSocket
    try:
        context.load_verify_locations(cafile=files.ca)
        context.load_cert_chain(files.cert, files.key, password=_no_password)
        if files.crl is not None:
            context.load_verify_locations(cafile=files.crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (ssl.SSLError, OSError) as error:
        text = f"TLS cannot use {files.cert} with {files.key}: {error.strerror or error}"
        raise InputError(text, _HOWTO) from None
    return context


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise OSError("the key has a password")


def _bytes_of(path: Path, option: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        text = f"cannot read {path}: {error.strerror}"
        raise InputError(text, f"check the path in {option}") from None
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"{path} is too large", f"check the path in {option}")
    return content


def _certificates(path: Path, option: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes_of(path, option))
    except ValueError:
        raise InputError(f"{path} holds no certificate in PEM", f"check {option}") from None


def _check_pair(leaf: x509.Certificate, files: AccessFiles) -> None:
    raw = read_secret_file(files.key, max_bytes=MAX_KEY_BYTES)
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError:
        remedy = "a program that starts by itself needs a key without one, in a file of its own"
        raise InputError(f"the key in {files.key} has a password", remedy) from None
    except ValueError:
        raise InputError(f"{files.key} holds no private key in PEM", "check --broker-key") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise InputError(
            f"the key in {files.key} does not belong to the certificate in {files.cert}",
            "put both files of one issue side by side",
        )


def _check_purpose(leaf: x509.Certificate, path: Path) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return  # RFC 5280, 4.2.1.12: any purpose
    if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {*usage}:
        raise InputError(f"the certificate in {path} is not a client's", _HOWTO)


def _identity(leaf: x509.Certificate, path: Path) -> str:
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise InputError(f"the certificate in {path} names nobody (one common name)", _HOWTO)
    return str(names[0].value)


def _next_update(path: Path) -> float | None:
    content = _bytes_of(path, "--broker-crl")
    if b"BEGIN CERTIFICATE" in content:  # OpenSSL would believe it as a CA
        text = f"{path} holds a certificate beside the revocation list"
        raise InputError(text, "keep the list in a file of its own")
    try:
        told = x509.load_pem_x509_crl(content).next_update_utc
    except ValueError:
        raise InputError(f"{path} holds no revocation list in PEM", "check --broker-crl") from None
    return told.timestamp() if told is not None else None


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


__all__ = [
    "BrokerAccess",
    "Certified",
    "NotInForce",
    "open_access",
    "read_access",
    "stamp_of",
]
