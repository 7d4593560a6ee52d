"""The way to the broker, a step at a time: name, cable, port, TLS, and whether it lets us in.

Decides what a failure at each step means for the person at the cupboard. Publishes and subscribes
nothing. Without certificates it comes under a name of its own; with one the broker names it after
that, so where a gateway uses the same one it stops before signing in, or it would push it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from dataclasses import dataclass

import aiomqtt

from gateway.health.findings import Finding
from kannuki.broker_refusals import explain

WITHIN_S = 8.0
ALERT_WITHIN_S = 0.5  # in TLS 1.3 a server says what it thinks of our certificate after the fact
RENEW = "have this gateway's certificate issued again (docs/howto/run-a-broker.md)"
CABLE = "is the network cable in, is the router on, is it the right address?"

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET, _EXPIRED = 9, 10
_NO_ISSUER = (2, 7, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)


@dataclass(frozen=True)
class Target:
    """Where the broker should be. `tls`: None for a plain line."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _Told(Exception):
    """A step failed, and this is what it means."""

    def __init__(self, code: str, text: str, remedy: str) -> None:
        super().__init__(code)
        self.finding = Finding("broker", code, text, remedy)


async def check(target: Target, signs_in: bool = True) -> Finding:
    """The first step that fails, or that all is well."""
    try:
        address = await _resolve(target)
        await _reach(target, address)
        if target.tls is not None:
            await _greet(target, target.tls)
        if signs_in:
            await _enter(target)
    except _Told as told:
        return told.finding
    how = "with TLS" if target.tls is not None else "without TLS"
    if not signs_in:
        text = f"the broker at {target} answers {how}; signing in is left to the running gateway"
        return Finding("broker", "BROKER_OK", text)
    return Finding("broker", "BROKER_OK", f"the broker at {target} lets this gateway in, {how}")


async def _resolve(target: Target) -> str:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(WITHIN_S):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        text = f"nobody here knows where '{target.host}' is"
        raise _Told("BROKER_NAME_UNKNOWN", text, f"check the name and the DNS; {CABLE}") from error
    return str(found[0][4][0])


async def _reach(target: Target, address: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            _, writer = await asyncio.open_connection(target.host, target.port)
    except ConnectionRefusedError as error:
        text = f"{_both(target, address)} is there, but nothing listens on port {target.port}"
        remedy = "is the broker running, and is this its port?"
        raise _Told("BROKER_NOT_LISTENING", text, remedy) from error
    except (OSError, TimeoutError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else str(error.strerror)
        text = f"{_both(target, address)} cannot be reached: {why}"
        raise _Told("BROKER_UNREACHABLE", text, CABLE) from error
    await _close(writer)


def _both(target: Target, address: str) -> str:
    return target.host if target.host == address else f"{target.host} ({address})"


async def _greet(target: Target, context: ssl.SSLContext) -> None:
    """The handshake, and a moment for what the broker may have to say about our certificate."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(
                target.host, target.port, ssl=context, server_hostname=target.host
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALERT_WITHIN_S):
                await reader.read(1)
    except ssl.SSLCertVerificationError as error:
        raise _their_certificate(target, error) from error
    except ssl.SSLError as error:
        raise _tls_fault(target, error) from error
    except (OSError, TimeoutError) as error:
        text = f"{target} hangs up or stays silent instead of speaking TLS"
        raise _Told("BROKER_NO_TLS", text, "is this the broker's TLS port (8883)?") from error
    finally:
        if writer is not None:
            await _close(writer)


def _their_certificate(target: Target, error: ssl.SSLCertVerificationError) -> _Told:
    code = error.verify_code
    if code in _OTHER_NAME:
        text = f"the broker's certificate is not for '{target.host}'"
        remedy = "use the name in its certificate, or have it issued for this one"
        return _Told("BROKER_WRONG_NAME", text, remedy)
    if code == _EXPIRED:
        text = "the broker's certificate has ended (or this computer's clock is ahead)"
        remedy = "compare the clock; else have the broker's certificate renewed"
        return _Told("BROKER_CERTIFICATE_ENDED", text, remedy)
    if code == _NOT_YET:
        text = "the broker's certificate is not good yet: this computer's clock is behind"
        return _Told("BROKER_CERTIFICATE_NOT_YET", text, "set the clock")
    if code in _NO_ISSUER:
        text = f"the broker's certificate is not from the town's CA ({error.verify_message})"
        remedy = "is this the right broker, and --broker-ca the town's CA?"
        return _Told("BROKER_UNKNOWN_CA", text, remedy)
    said = explain(error)
    return _Told("BROKER_NOT_BELIEVED", said.text, said.remedy or RENEW)


def _tls_fault(target: Target, error: ssl.SSLError) -> _Told:
    reason = error.reason or str(error)
    if "ALERT" in reason:
        if "EXPIRED" in reason:
            text = "the broker says that this gateway's certificate has ended"
        elif "REVOKED" in reason:
            text = "the broker says that this gateway's certificate was revoked"
        elif "UNKNOWN_CA" in reason:
            text = "the broker does not know the CA of this gateway's certificate"
        else:
            text = f"the broker refuses this gateway's certificate ({reason.lower()})"
        return _Told("BROKER_REFUSES_CERTIFICATE", text, RENEW)
    text = f"{target} does not speak TLS ({reason.lower()})"
    return _Told("BROKER_NO_TLS", text, "is this the broker's TLS port (8883)?")


async def _enter(target: Target) -> None:
    client = aiomqtt.Client(
        target.host,
        target.port,
        identifier=f"kannuki-check-{secrets.token_hex(4)}",
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=target.tls,
        timeout=WITHIN_S,
    )
    try:
        async with client:
            return
    except aiomqtt.MqttCodeError as error:
        said = explain(error)
        remedy = said.remedy or f"does it know this gateway? {RENEW}"
        raise _Told("BROKER_REFUSES", said.text, remedy) from error
    except aiomqtt.MqttError as error:
        text = f"{target} accepts a connection, but does not speak MQTT 5 ({error})"
        raise _Told("BROKER_SILENT", text, "is this the broker, and is it well?") from error


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
