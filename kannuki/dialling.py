"""Opens the connection to a broker: name, TCP, TLS.

Decides how long that may take in all and that nobody has to wait for it: the work is done in a
thread of its own that is left behind when the caller goes away (resolving a name or greeting a
mute server cannot be cut short otherwise, and a gateway has seconds to stop). Does not judge
certificates: the given context does. Invariant: a socket that nobody takes is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

Opened = socket.socket | ssl.SSLSocket


class WatchedSocket(ssl.SSLSocket):
    """Remembers why TLS failed: the MQTT client above tells only that a connection is lost.

    In TLS 1.3 a server says what it thinks of the client's certificate after the handshake, so its
    alert comes with the first read.
    """

    fault: ssl.SSLError | None = None

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """As ssl.SSLSocket, which recv() uses too."""
        with self._noting():
            return super().read(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        """As ssl.SSLSocket."""
        with self._noting():
            return super().send(*args, **kwargs)

    @contextlib.contextmanager
    def _noting(self) -> Any:
        try:
            yield
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.fault = error
            raise


class _Call:
    """One attempt: its thread and whoever waits for it. The lock decides who has the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[Opened] = loop.create_future()
        self._loop = loop
        self._lock = threading.Lock()
        self._is_wanted = True
        self._half_open: socket.socket | None = None

    def work(self, open_it: Callable[[_Call], Opened]) -> None:
        """The thread. An attempt may fail in any way its libraries know."""
        try:
            opened = open_it(self)
        except Exception as error:  # noqa: BLE001 - handed to who waits
            self._hand_over(None, error)
        else:
            self._hand_over(opened, None)

    def holds(self, half_open: socket.socket) -> None:
        """From here on `leave` can cut the attempt short."""
        with self._lock:
            self._half_open = half_open
            if not self._is_wanted:
                half_open.close()
                raise ConnectionAbortedError("nobody waits for this connection")

    def leave(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._is_wanted = False
            if self._half_open is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._half_open, socket.SHUT_RDWR)
        if self.answer.done() and not self.answer.cancelled() and not self.answer.exception():
            self.answer.result().close()

    def _hand_over(self, opened: Opened | None, error: Exception | None) -> None:
        with self._lock:
            if self._is_wanted:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there
                    self._loop.call_soon_threadsafe(self._settle, opened, error)
                    return
        if opened is not None:
            opened.close()

    def _settle(self, opened: Opened | None, error: Exception | None) -> None:
        if self.answer.done() or not self._is_wanted:
            if opened is not None:
                opened.close()
        elif error is not None:
            self.answer.set_exception(error)
        elif opened is not None:
            self.answer.set_result(opened)


async def dial(
    host: str, port: int, context: Callable[[], ssl.SSLContext] | None, within_s: float
) -> Opened:
    """A connected socket, non-blocking; TLS with `context` done, which is asked for in the thread.

    Raises OSError (of it ssl.SSLError and TimeoutError), and whatever `context` raises.
    """
    call = _Call(asyncio.get_running_loop())
    open_it = _opener(host, port, context, within_s)
    threading.Thread(target=call.work, args=(open_it,), name=f"dial {host}", daemon=True).start()
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.shield(call.answer)
    except TimeoutError:
        call.leave()
        raise TimeoutError(f"no connection within {within_s:.0f} s") from None
    except asyncio.CancelledError:
        call.leave()
        raise


def _opener(
    host: str, port: int, context: Callable[[], ssl.SSLContext] | None, within_s: float
) -> Callable[[_Call], Opened]:
    def open_it(call: _Call) -> Opened:
        ends_at = time.monotonic() + within_s
        tls = context() if context is not None else None
        plain = socket.create_connection((host, port), timeout=within_s)
        opened: Opened = plain
        try:
            call.holds(plain)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small and urgent
            if tls is not None:
                opened = tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
                call.holds(opened)
                opened.settimeout(max(0.1, ends_at - time.monotonic()))
                opened.do_handshake()
            opened.setblocking(False)
        except BaseException:
            opened.close()
            raise
        return opened

    return open_it
