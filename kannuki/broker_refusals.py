"""Why there is no connection to a broker, in words that say what to do.

Decides the words alone. Knows what OpenSSL, the socket and MQTT 5 say; whatever it does not know it
tells as it came. Messages hold no key and nothing that the other side could choose at length.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from aiomqtt import MqttCodeError, MqttError
from paho.mqtt.reasoncodes import ReasonCode

from kannuki.errors import KannukiError
from kannuki.mqtt_client import ConnectionEnded


@dataclass(frozen=True)
class Refusal:
    """What happened, and what to do about it."""

    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text} -> {self.remedy}" if self.remedy else self.text


_WRONG_CA = Refusal(
    "the broker's certificate is not from the CA in --broker-ca",
    "put this town's ca.crt there; if it is the right one, somebody else answers at this address",
)
_WRONG_HOST = Refusal(
    "the broker's certificate is for another host",
    "name the host as the certificate does (--broker), or issue the broker's for this name too",
)
_NO_LIST = Refusal(
    "the list in --broker-crl is not from the CA that certified the broker",
    "put this town's list there",
)

# X509_verify_cert_error_string(3): what we found wrong with the broker's certificate.
_BROKERS: dict[int, Refusal] = {
    2: _WRONG_CA,
    3: _NO_LIST,
    7: _WRONG_CA,
    9: Refusal(
        "the broker's certificate is not valid yet by this computer's clock", "set this clock"
    ),
    10: Refusal(
        "the broker's certificate has expired",
        "renew it on the broker; if it is not old, set this computer's clock",
    ),
    11: Refusal("the list in --broker-crl is not valid yet", "set this computer's clock"),
    12: Refusal("the list in --broker-crl is out of date", "put a newer one in its place"),
    18: _WRONG_CA,
    19: _WRONG_CA,
    20: _WRONG_CA,
    21: _WRONG_CA,
    23: Refusal(
        "the broker's certificate is revoked",
        "issue a new one for the broker; until then, somebody else may answer at this address",
    ),
    26: Refusal(
        "what answers shows a certificate that is no broker's",
        "is this the broker's address? A client of the town may be posing as it",
    ),
    62: _WRONG_HOST,
    64: _WRONG_HOST,
}

# Alerts (RFC 8446, 6.2) as OpenSSL names them: what the broker found wrong with ours.
_OURS: dict[str, Refusal] = {
    "ALERT_CERTIFICATE_EXPIRED": Refusal(
        "the broker says that our certificate has expired",
        "renew it: the files of --broker-cert and --broker-key, or set the broker's clock",
    ),
    "ALERT_CERTIFICATE_REVOKED": Refusal(
        "the broker says that our certificate is revoked",
        "ask the town for a new one, if this program is still to be trusted",
    ),
    "ALERT_UNKNOWN_CA": Refusal(
        "the broker does not know the CA of our certificate",
        "use a certificate of this town's CA; is this the town's own port?",
    ),
    "ALERT_CERTIFICATE_REQUIRED": Refusal(
        "the broker wants a certificate and was shown none it accepts", "name --broker-cert"
    ),
    "ALERT_BAD_CERTIFICATE": Refusal(
        "the broker cannot use our certificate", "ask the town for a new one"
    ),
    "ALERT_UNSUPPORTED_CERTIFICATE": Refusal(
        "the broker says that our certificate is not a client's",
        "name the certificate that was issued for this program",
    ),
    "ALERT_CERTIFICATE_UNKNOWN": Refusal(
        "the broker does not accept our certificate", "read the broker's log for its reason"
    ),
    "ALERT_HANDSHAKE_FAILURE": Refusal(
        "the broker and we have no way of TLS in common", "update the broker"
    ),
    "ALERT_PROTOCOL_VERSION": Refusal(
        "the broker speaks only TLS that is too old", "update the broker: TLS 1.2 or newer"
    ),
    "UNSUPPORTED_PROTOCOL": Refusal(
        "the broker speaks only TLS that is too old", "update the broker: TLS 1.2 or newer"
    ),
    "WRONG_VERSION_NUMBER": Refusal(
        "what answers does not speak TLS", "name the broker's TLS port, usually 8883"
    ),
    "UNEXPECTED_EOF": Refusal(
        "the broker hung up during the TLS greeting", "read the broker's log for its reason"
    ),
}

LOST = Refusal("the connection is lost")
LOST_AT_ONCE = Refusal(
    "every connection is lost again soon after it is made",
    "is a second program running with the same certificate? If not, revoke it: it was copied",
)

# MQTT 5, 3.2.2.2 and 3.14.2.1.
_CODES: dict[int, Refusal] = {
    128: LOST,
    130: Refusal("the broker found a protocol error", "read the broker's log"),
    132: Refusal("the broker does not speak MQTT 5", "update it"),
    133: Refusal("the broker does not accept our client id", "read the broker's log"),
    134: Refusal("the broker does not know us", "use a certificate that it accepts"),
    135: Refusal(
        "the broker does not let us in", "is this certificate's name in the broker's ACL?"
    ),
    136: Refusal("the broker is not available", "it may be starting"),
    137: Refusal("the broker is busy", "it may have reached its limit of connections"),
    138: Refusal("the broker has banned us", "ask who runs it"),
    139: Refusal("the broker is shutting down"),
    141: Refusal("the broker did not hear from us for too long", "is the line bad?"),
    142: Refusal(
        "another program signed in under our name",
        "is a second one running with the same certificate? If not, revoke it: it was copied",
    ),
    149: Refusal("the broker finds a message too large", "its limit must let 81920 bytes through"),
    151: Refusal("the broker says that a quota is used up", "raise its limits"),
    152: Refusal("whoever runs the broker ended the connection"),
    159: Refusal("the broker allows fewer connections a second", "it passes by itself"),
}
_ENDED = Refusal(
    "the broker hung up before it had accepted us",
    "does it want a certificate, or plain text, on this port? Its log says why",
)


def explain(error: BaseException) -> Refusal:
    """The refusal behind an error of kannuki.mqtt_client, a socket, TLS, or our own reading."""
    if isinstance(error, KannukiError):
        return Refusal(error.message, error.remedy)
    if isinstance(error, ConnectionEnded):
        return explain(error.cause) if error.cause is not None else _ENDED
    if isinstance(error, ssl.SSLCertVerificationError):
        unknown = Refusal(f"the broker's certificate is not believed: {error.verify_message}")
        return _BROKERS.get(error.verify_code, unknown)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, MqttCodeError) and isinstance(error.rc, ReasonCode):
        return _CODES.get(error.rc.value, Refusal(f"the connection is lost ({error.rc})"))
    if isinstance(error, MqttError) and isinstance(error.__cause__, MqttCodeError):
        return explain(error.__cause__)
    if isinstance(error, MqttError):
        return Refusal(f"no connection ({error})")
    return _of_socket(error)


def _of_tls(error: ssl.SSLError) -> Refusal:
    reason = "UNEXPECTED_EOF" if isinstance(error, ssl.SSLEOFError) else error.reason or ""
    for name, refusal in _OURS.items():
        if name in reason:
            return refusal
    return Refusal(f"TLS fails ({reason or type(error).__name__})", "read the broker's log")


def _of_socket(error: BaseException) -> Refusal:
    if isinstance(error, ConnectionRefusedError):
        return Refusal("nothing listens there", "is the broker running, and this its port?")
    if isinstance(error, socket.gaierror):
        return Refusal("its name is not known here", "check the name, and the network's DNS")
    if isinstance(error, TimeoutError):
        return Refusal("no answer in time", "is the line up, and does a firewall let us through?")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return _ENDED
    if isinstance(error, OSError):
        return Refusal(f"the network fails ({error.strerror or error})")
    return Refusal(f"{type(error).__name__}: {error}")
