"""A folder with everything one broker and its towns' authorities are made of.

    mosquitto.conf broker.json        the broker, and what all towns share
    towns/TOWN/                       what Mosquitto reads: ca.crt broker.crt/.key revoked.crl acl
    authority/TOWN/                   ca.key (0600), register.json, issued/*.crt: whoever has it has
                                      the town's broker
    clients/TOWN/NAME/                what is carried to a client: ca.crt NAME.crt NAME.key
    data/                             Mosquitto's own: sessions, queues, retained states

Decides the order in which these come to be. Every step says what shall be so, and does only what is
missing: a run that was cut off anywhere is finished by the next one. Time, randomness and new keys
come from the caller. It starts and stops nothing: it says what a person has to do.

A change is taken up by a restart, never by SIGHUP: Mosquitto 2.0.11 enters an absent client's
session twice into its list of sessions that expire when it reloads, and later reads freed memory
(seen in valgrind under session_expiry__add, and as a crash). A restart keeps sessions, queues and
retained states, and throws out whoever was revoked while connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.brokerkit import authority, files, mosquitto, register
from gateway.brokerkit.acl import acl_text, role_of
from gateway.brokerkit.authority import SERVER_NAME, Authority, AuthorityError, Validity
from gateway.brokerkit.files import PUBLIC, SECRET, Reader
from gateway.brokerkit.register import BrokerSettings, Issued, Register
from kannuki.errors import InputError
from kannuki.settings import read_secret_file

DAY_S = 86_400
CA_DAYS = 30 * 365
LEAF_DAYS = 6 * 365  # five years in a cupboard, and one to notice
RENEW_WITHIN_DAYS = 180
BACKDATE_S = 3_600  # clocks that are a little slow
FIRST_PORT = 8883

_P = ParamSpec("_P")
_T = TypeVar("_T")
NewKey = Callable[[], ec.EllipticCurvePrivateKey]
Action = Literal["nothing", "restart", "start"]


@dataclass(frozen=True)
class Handed:
    """A certificate that was made now, and the files to carry to its owner."""

    name: str
    not_after: int
    files: list[Path]


@dataclass
class Outcome:
    """What a command did. `waiting`: gateways whose request is still to come."""

    town: str
    changed: list[Path] = field(default_factory=list)
    issued: list[Handed] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    action: Action = "nothing"

    def need(self, action: Action) -> None:
        """The strongest need stands."""
        order: list[Action] = ["nothing", "restart", "start"]
        self.action = max(self.action, action, key=order.index)


@dataclass(frozen=True)
class Row:
    """One certificate, for a list."""

    town: str
    name: str
    role: str
    serial: str
    not_after: int
    days_left: int
    state: str  # valid, superseded, expired, revoked
    key: str


@dataclass(frozen=True)
class Wishes:
    """What `broker-config` was told of a town; None keeps what is known."""

    hosts: Sequence[str] | None = None
    port: int | None = None
    address: str | None = None
    gateways: Mapping[str, Sequence[str]] = field(default_factory=dict)
    make_keys: bool = True
    user: str | None = None
    data_dir: Path | None = None


class Kit:
    """One folder. Its methods raise InputError and leave whole files behind in any case."""

    def __init__(
        self, folder: Path, now: int, random_bytes: Callable[[int], bytes], new_key: NewKey
    ) -> None:
        self.folder = folder.absolute()
        self._now = now
        self._random_bytes = random_bytes
        self._new_key = new_key

    # --- the commands ---

    def set_up(self, town: str, wishes: Wishes, default_hosts: Sequence[str]) -> Outcome:
        """Everything a broker of this town needs, made or brought up to date."""
        _check_name(town, SERVER_NAME)
        done = Outcome(town)
        with self._alone():
            settings = self._settings(wishes, done)
            known = self._register(town, wishes, default_hosts)
            _take_gateways(known, wishes.gateways, done)
            ca = self._authority(known, done)
            self._save(known)
            self._keep_server(ca, known, settings, done)
            for name in _clients(known):
                self._keep_client(ca, known, name, wishes.make_keys or name == "cloud", done)
            self._publish(ca, known, settings, done)
        return done

    def issue(self, town: str, name: str, request: bytes | None, days: int) -> Outcome:
        """A certificate for a client: a new gateway, a Home Assistant, one more cloud worker."""
        done = Outcome(town)
        with self._alone():
            ca, known, settings = self._open(town)
            _check_client(known, name)
            if self._held(known, name) is not None and request is None:
                text = f"{town}.{name} has a certificate already"
                raise InputError(text, f"kannuki gateway broker renew {town} {name}")
            if role_of(name) == "gateway" and name not in known.gateways:
                known.gateways[name] = []
                _check_locks(known)
                done.notes.append(f"no gateway file names {name} yet: it speaks for itself alone")
            key = _signed(authority.request_key, request, f"{town}.{name}") if request else None
            self._issue_client(ca, known, name, key, days, done)
            self._publish(ca, known, settings, done)
        return done

    def renew(
        self, town: str, names: Sequence[str], within_days: int, days: int, new_key: bool
    ) -> Outcome:
        """New certificates for these names, or for whatever ends within so many days.

        The key stays, unless a new one is asked for: only the certificate travels then. The old
        one is good until it expires.
        """
        done = Outcome(town)
        with self._alone():
            ca, known, settings = self._open(town)
            for name in names or self._ending(known, within_days):
                self._renew(ca, known, settings, name, days, new_key, done)
            self._publish(ca, known, settings, done)
        return done

    def revoke(self, town: str, name: str, old_only: bool) -> Outcome:
        """Takes a name's certificates back: all of them and its rights, or all but the newest."""
        done = Outcome(town)
        with self._alone():
            ca, known, settings = self._open(town)
            taken = _to_revoke(known, name, old_only)
            for one in taken:
                one.revoked_at = self._now
            if not old_only and name in known.gateways:
                known.gone[name] = known.gateways.pop(name)
            self._save(known)
            if not old_only:
                self._drop_client_files(town, name)
            self._publish(ca, known, settings, done)
            done.need("restart")
        return done

    def rows(self, town: str | None) -> list[Row]:
        """Every certificate of a town, or of all; the authorities too."""
        found: list[Row] = []
        for one in [town] if town else self.towns():
            known = self._known(one)
            ca = _certificate(self._ca_path(one))
            found.append(self._ca_row(known.town, ca))
            found += [self._row(known, issued) for issued in known.issued]
        return found

    def towns(self) -> list[str]:
        """The towns in this folder."""
        return sorted(path.parent.name for path in self.folder.glob("authority/*/register.json"))

    @property
    def config(self) -> Path:
        """What Mosquitto is started with."""
        return self.folder / "mosquitto.conf"

    def pid_file(self) -> Path:
        """Where the running broker writes its number."""
        return mosquitto.pid_file(_broker(self._kept_settings()))

    # --- reading what there is ---

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.folder.exists():
            files.make_folder(self.folder, 0o755)
        try:
            with files.alone(self.folder):
                yield
        except PermissionError as error:
            text = f"cannot work in {self.folder}: {error.strerror}"
            raise InputError(text, "run it as the owner of the folder") from error

    def _open(self, town: str) -> tuple[Authority, Register, BrokerSettings]:
        known = self._known(town)
        return self._load_authority(town), known, self._kept_settings()

    def _known(self, town: str) -> Register:
        _check_name(town, SERVER_NAME)
        known = register.load(self._register_path(town), Register)
        if known is None or not self._ca_path(town).exists():
            text = f"there is no town '{town}' in {self.folder}"
            raise InputError(text, f"kannuki gateway broker-config {town}")
        return known

    def _kept_settings(self) -> BrokerSettings:
        settings = register.load(self.folder / "broker.json", BrokerSettings)
        if settings is None:
            text = f"{self.folder} holds no broker"
            raise InputError(text, "kannuki gateway broker-config TOWN --dir FOLDER")
        return settings

    def _settings(self, wishes: Wishes, done: Outcome) -> BrokerSettings:
        path = self.folder / "broker.json"
        settings = register.load(path, BrokerSettings) or BrokerSettings(
            user=files.own_name(), data_dir=str(self.folder / "data")
        )
        if wishes.user is not None:
            settings.user = wishes.user
        if wishes.data_dir is not None:
            settings.data_dir = str(wishes.data_dir.absolute())
        for text in (str(self.folder), settings.data_dir):
            _check_path(text)
        reader = files.reader_of(settings.user)
        if files.write(path, register.dump(settings), PUBLIC):
            done.changed.append(path)
        done.notes += files.closed_to(reader, self.folder)
        files.make_folder(Path(settings.data_dir), 0o700, reader.uid, reader.gid)
        return settings

    def _register(self, town: str, wishes: Wishes, default_hosts: Sequence[str]) -> Register:
        known = register.load(self._register_path(town), Register)
        if known is None:
            hosts = list(default_hosts)
            known = Register(town=town, port=wishes.port or self._free_port(), hosts=hosts)
        if wishes.hosts:
            known.hosts = list(dict.fromkeys(wishes.hosts))
        if wishes.port is not None:
            known.port = wishes.port
        if wishes.address is not None:
            known.address = wishes.address
        for host in known.hosts:
            _signed(authority.host_name, host)
        for other in self._registers():
            if other.town != town and other.port == known.port:
                text = f"port {known.port} is {other.town}'s"
                raise InputError(text, "give each town a --port of its own")
        return known

    def _registers(self) -> list[Register]:
        loaded = [register.load(self._register_path(town), Register) for town in self.towns()]
        return [one for one in loaded if one is not None]

    def _free_port(self) -> int:
        taken = {one.port for one in self._registers()}
        return next(port for port in range(FIRST_PORT, 65536) if port not in taken)

    # --- the authority ---

    def _authority(self, known: Register, done: Outcome) -> Authority:
        """The town's CA; made when there is none. A key without a certificate is finished."""
        folder = self._authority_dir(known.town)
        files.make_folder(folder.parent, 0o700)
        files.make_folder(folder / "issued", 0o700)
        folder.chmod(0o700)
        if self._ca_path(known.town).exists():
            return self._load_authority(known.town)
        if known.issued:
            text = f"{self._ca_path(known.town)} is lost, and clients believe in it"
            raise InputError(text, "put it back from the backup")
        key_path = folder / "ca.key"
        if not key_path.exists():
            files.write(key_path, key_bytes(self._new_key()), SECRET)
        key = load_key(key_path)
        certificate = authority.make_town_ca(
            known.town, key, self._serial(), self._validity(CA_DAYS)
        )
        files.write(self._ca_path(known.town), certificate.public_bytes(Encoding.PEM), PUBLIC)
        done.notes.append(f"made an authority for {known.town}: keep a copy of {folder} in a safe")
        return Authority(known.town, certificate, key)

    def _load_authority(self, town: str) -> Authority:
        key = load_key(self._authority_dir(town) / "ca.key")
        certificate = _certificate(self._ca_path(town))
        if certificate.public_key() != key.public_key():
            text = f"ca.key and ca.crt in {self._authority_dir(town)} do not belong together"
            raise InputError(text, "put both back from one backup")
        return Authority(town, certificate, key)

    def _serial(self) -> int:
        return int.from_bytes(self._random_bytes(16), "big") | 1 << 127

    def _validity(self, days: int, ca: Authority | None = None) -> Validity:
        ends = self._now + days * DAY_S
        if ca is not None:
            ends = min(ends, _ends(ca.certificate))
        return Validity(self._now - BACKDATE_S, ends)

    # --- certificates ---

    def _keep_server(
        self, ca: Authority, known: Register, settings: BrokerSettings, done: Outcome
    ) -> None:
        reader = files.reader_of(settings.user)
        serving = self._serving_dir(known.town)
        files.make_folder(serving.parent, 0o755)
        files.make_folder(serving, 0o750 if reader.gid is not None else 0o700, None, reader.gid)
        key = self._key_path(known.town, SERVER_NAME)
        if key.exists():  # the broker may run as another user now
            files.write(key, key.read_bytes(), reader.secret_mode, reader.gid)
        held = self._held(known, SERVER_NAME)
        fresh = held is not None and _ends(held) > self._now + RENEW_WITHIN_DAYS * DAY_S
        if held is None or not fresh or authority.hosts_of(held) != known.hosts:
            self._issue_server(ca, known, reader, LEAF_DAYS, False, done)

    def _issue_server(
        self,
        ca: Authority,
        known: Register,
        reader: Reader,
        days: int,
        new_key: bool,
        done: Outcome,
    ) -> None:
        path = self._key_path(known.town, SERVER_NAME)
        if new_key or not path.exists():
            files.write(path, key_bytes(self._new_key()), reader.secret_mode, reader.gid)
        validity, serial = self._validity(days, ca), self._serial()
        key = _load_server_key(path).public_key()
        certificate = _signed(authority.issue_server, ca, key, known.hosts, serial, validity)
        self._record(known, SERVER_NAME, certificate, "kit")
        self._put_certificate(known.town, SERVER_NAME, certificate, done)
        done.need("restart")

    def _keep_client(
        self, ca: Authority, known: Register, name: str, make_key: bool, done: Outcome
    ) -> None:
        """Sees that a client has a certificate. One that ended is made anew, for the same key."""
        newest = known.newest(name)
        if newest is None and not make_key:
            done.waiting.append(name)
            return
        if self._held(known, name) is None:
            key = None if newest is None or newest.key == "kit" else self._archived(known, newest)
            self._issue_client(ca, known, name, key, LEAF_DAYS, done)

    def _issue_client(
        self,
        ca: Authority,
        known: Register,
        name: str,
        owners_key: ec.EllipticCurvePublicKey | None,
        days: int,
        done: Outcome,
    ) -> None:
        folder = self._client_dir(known.town, name)
        files.make_folder(folder.parent.parent, 0o700)
        files.make_folder(folder, 0o700)
        path = self._key_path(known.town, name)
        if owners_key is not None:
            path.unlink(missing_ok=True)
        elif not path.exists():
            files.write(path, key_bytes(self._new_key()), SECRET)
        key = owners_key or load_key(path).public_key()
        validity, serial = self._validity(days, ca), self._serial()
        certificate = _signed(authority.issue_client, ca, name, key, serial, validity)
        self._record(known, name, certificate, "request" if owners_key else "kit")
        self._put_certificate(known.town, name, certificate, done)

    def _renew(
        self,
        ca: Authority,
        known: Register,
        settings: BrokerSettings,
        name: str,
        days: int,
        new_key: bool,
        done: Outcome,
    ) -> None:
        newest = known.newest(name)
        if newest is None:
            text = f"{known.town}.{name} has no certificate to renew"
            raise InputError(text, f"kannuki gateway broker list {known.town}")
        if name == SERVER_NAME:
            reader = files.reader_of(settings.user)
            self._issue_server(ca, known, reader, days, new_key, done)
            return
        if new_key and newest.key == "request":
            text = f"{known.town}.{name} keeps its key to itself"
            remedy = f"have it make a new request: kannuki gateway broker issue {known.town} {name}"
            raise InputError(text, f"{remedy} --request FILE")
        if new_key:
            self._key_path(known.town, name).unlink(missing_ok=True)
        key = self._archived(known, newest) if newest.key == "request" else None
        self._issue_client(ca, known, name, key, days, done)

    def _record(self, known: Register, name: str, made: x509.Certificate, key: str) -> None:
        """In the archive and the register, both the authority's own, before anybody has it."""
        pem, serial = made.public_bytes(Encoding.PEM), f"{made.serial_number:x}"
        files.write(self._archive_path(known.town, serial), pem, PUBLIC)
        known.issued.append(
            Issued(
                serial=serial,
                name=name,
                not_before=int(made.not_valid_before_utc.timestamp()),
                not_after=_ends(made),
                key="request" if key == "request" else "kit",
            )
        )
        self._save(known)

    def _put_certificate(self, town: str, name: str, made: x509.Certificate, done: Outcome) -> None:
        path = self._cert_path(town, name)
        files.write(path, made.public_bytes(Encoding.PEM), PUBLIC)
        done.changed.append(path)
        carried = [path]
        if name != SERVER_NAME:
            beside = path.with_name("ca.crt")
            files.write(beside, self._ca_path(town).read_bytes(), PUBLIC)
            carried = [beside, path]
            if self._key_path(town, name).exists():
                carried.append(self._key_path(town, name))
        done.issued.append(Handed(name, _ends(made), carried))

    def _held(self, known: Register, name: str) -> x509.Certificate | None:
        """The newest certificate if its file is there, whole, current and fits its key."""
        newest = known.newest(name)
        if newest is None or newest.not_after <= self._now:
            return None
        try:
            held = x509.load_pem_x509_certificate(self._cert_path(known.town, name).read_bytes())
        except (OSError, ValueError):
            return None
        if f"{held.serial_number:x}" != newest.serial:
            return None
        if newest.key == "kit":
            path = self._key_path(known.town, name)
            load = _load_server_key if name == SERVER_NAME else load_key
            if not path.exists() or load(path).public_key() != held.public_key():
                return None
        return held

    def _archived(self, known: Register, one: Issued) -> ec.EllipticCurvePublicKey:
        kept = _certificate(self._archive_path(known.town, one.serial))
        return _signed(authority.checked_key, kept.public_key())

    def _ending(self, known: Register, within_days: int) -> list[str]:
        limit = self._now + within_days * DAY_S
        names = dict.fromkeys(one.name for one in known.issued)
        newest = [known.newest(name) for name in names]
        return [one.name for one in newest if one is not None and one.not_after <= limit]

    def _drop_client_files(self, town: str, name: str) -> None:
        """Whoever gets this name next gets a new key."""
        for path in (self._key_path(town, name), self._cert_path(town, name)):
            path.unlink(missing_ok=True)

    # --- what Mosquitto reads ---

    def _publish(
        self, ca: Authority, known: Register, settings: BrokerSettings, done: Outcome
    ) -> None:
        """CA, revocation list, ACL, configuration: all follow from the register."""
        reader = files.reader_of(settings.user)
        serving = self._serving_dir(known.town)
        mode = reader.secret_mode
        pairs = {
            "ca.crt": ca.certificate.public_bytes(Encoding.PEM),
            "revoked.crl": self._crl(ca, known),
            "acl": acl_text(known.rights()).encode(),
        }
        for name, content in pairs.items():
            if files.write(serving / name, content, mode, reader.gid):
                done.changed.append(serving / name)
                done.need("restart")
        is_new = not self.config.exists()
        if files.write(self.config, self._config_text(settings).encode(), PUBLIC):
            done.changed.append(self.config)
            done.need("start" if is_new else "restart")

    def _crl(self, ca: Authority, known: Register) -> bytes:
        """The list as it lies there while it says the same; else a new one with the next number."""
        revoked = known.revoked()
        path = self._serving_dir(known.town) / "revoked.crl"
        if _lists_exactly(path, ca, {one.serial for one in revoked}):
            return path.read_bytes()
        known.crl_number += 1
        self._save(known)
        ends = _ends(ca.certificate)
        made = authority.make_crl(ca, revoked, known.crl_number, self._now - BACKDATE_S, ends)
        return made.public_bytes(Encoding.PEM)

    def _config_text(self, settings: BrokerSettings) -> str:
        listeners = [
            mosquitto.Listener(one.town, self._serving_dir(one.town), one.port, one.address)
            for one in self._registers()
            if (self._serving_dir(one.town) / "broker.crt").exists()
        ]
        return mosquitto.config_text(_broker(settings), listeners)

    def _save(self, known: Register) -> None:
        files.write(self._register_path(known.town), register.dump(known), SECRET)

    # --- lists ---

    def _row(self, known: Register, one: Issued) -> Row:
        if one.revoked_at is not None:
            state = "revoked"
        elif one.not_after <= self._now:
            state = "expired"
        else:
            state = "valid" if one is known.newest(one.name) else "superseded"
        role = "broker" if one.name == SERVER_NAME else role_of(one.name)
        days = (one.not_after - self._now) // DAY_S
        return Row(known.town, one.name, role, one.serial, one.not_after, days, state, one.key)

    def _ca_row(self, town: str, ca: x509.Certificate) -> Row:
        ends, serial = _ends(ca), f"{ca.serial_number:x}"
        days = (ends - self._now) // DAY_S
        state = "valid" if days >= 0 else "expired"
        return Row(town, "ca", "authority", serial, ends, days, state, "kit")

    # --- places ---

    def _authority_dir(self, town: str) -> Path:
        return self.folder / "authority" / town

    def _register_path(self, town: str) -> Path:
        return self._authority_dir(town) / "register.json"

    def _ca_path(self, town: str) -> Path:
        return self._authority_dir(town) / "ca.crt"

    def _archive_path(self, town: str, serial: str) -> Path:
        return self._authority_dir(town) / "issued" / f"{serial}.crt"

    def _serving_dir(self, town: str) -> Path:
        return self.folder / "towns" / town

    def _client_dir(self, town: str, name: str) -> Path:
        return self.folder / "clients" / town / name

    def _cert_path(self, town: str, name: str) -> Path:
        folder = self._serving_dir(town) if name == SERVER_NAME else self._client_dir(town, name)
        return folder / f"{name}.crt"

    def _key_path(self, town: str, name: str) -> Path:
        return self._cert_path(town, name).with_suffix(".key")


# --- pieces that need no folder ---


def _broker(settings: BrokerSettings) -> mosquitto.Broker:
    return mosquitto.Broker(Path(settings.data_dir), settings.user)


def _clients(known: Register) -> list[str]:
    """Everybody who shall have a certificate: the cloud, the gateways, whoever was given one."""
    given = {one.name for one in known.issued if one.revoked_at is None} - {SERVER_NAME}
    return sorted({"cloud", *known.gateways, *given})


def _take_gateways(known: Register, gateways: Mapping[str, Sequence[str]], done: Outcome) -> None:
    """Gateways as their files say; others keep what they had."""
    for name, locks in gateways.items():
        _check_client(known, name)
        if role_of(name) != "gateway":
            raise InputError(f"a gateway cannot be called '{name}'", "that name means another role")
        known.gateways[name] = sorted(set(locks))
        if known.gone.pop(name, None) is not None:
            done.notes.append(f"{name} was revoked, and is given again with a new key")
    _check_locks(known)
    for name in sorted(known.gateways.keys() - gateways.keys()):
        told = {lock for locks in gateways.values() for lock in locks}
        double = [lock for lock in known.gateways[name] if lock in told]
        if double:
            stays = f"{', '.join(double)} stays {name}'s as well"
            done.notes.append(f"{stays}: if it is no more, give the new file of {name} too")


def _check_locks(known: Register) -> None:
    """Gateways and locks share one level of topics."""
    locks = {lock for had in known.gateways.values() for lock in had}
    for name in sorted(locks & known.gateways.keys()):
        raise InputError(f"'{name}' is a gateway and a lock", "give the gateway another name")


def _to_revoke(known: Register, name: str, old_only: bool) -> list[Issued]:
    if name == SERVER_NAME:
        text = "clients keep no revocation list: the broker's own certificate is replaced"
        raise InputError(text, f"kannuki gateway broker renew {known.town} broker --new-key")
    found = known.unrevoked(name)
    if old_only:
        found = found[:-1]
    if not found and not (name in known.gateways and not old_only):
        text = f"{known.town}.{name} has no {'older ' if old_only else ''}certificate to revoke"
        raise InputError(text, f"kannuki gateway broker list {known.town}")
    return found


def _check_name(town: str, name: str) -> None:
    _signed(authority.common_name, town, name)


def _check_client(known: Register, name: str) -> None:
    _check_name(known.town, name)
    if name in authority.NO_CLIENT:
        raise InputError(f"'{name}' is a name of the broker's own", "choose another")


def _check_path(text: str) -> None:
    """mosquitto.conf has no quotes: a line break or a blank would become another setting."""
    if any(char.isspace() or not char.isprintable() for char in text):
        raise InputError(f"'{text}' has a blank in it", "Mosquitto cannot read such a path")


def _signed(sign: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What the authority answers; its refusals are for people."""
    try:
        return sign(*args, **kwargs)
    except AuthorityError as error:
        raise InputError(str(error), "see kannuki gateway broker --help") from error


def key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    return _parse_key(path, read_secret_file(path))


def _load_server_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The broker's group may read this one."""
    try:
        return _parse_key(path, path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check its owner") from error


def _parse_key(path: Path, pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path} is no key", "put it back from the backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{path} is not an ECDSA key", "put it back from the backup")
    return key


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check its owner") from error
    except ValueError as error:
        raise InputError(f"{path} is no certificate", "put it back from the backup") from error


def _ends(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp())


def _lists_exactly(path: Path, ca: Authority, serials: Iterable[int]) -> bool:
    try:
        crl = x509.load_pem_x509_crl(path.read_bytes())
        return crl.is_signature_valid(ca.key.public_key()) and (
            {one.serial_number for one in crl} == set(serials)
        )
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
