"""A bad line between a client and a broker: slow, cut, or silent with both ends still open."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

CHUNK_BYTES = 1024


class Line:
    """Forwards a port of this machine to another. `bytes_per_s` limits what goes up."""

    def __init__(self, target_port: int, bytes_per_s: float | None = None) -> None:
        self.port = 0
        self.went_up = 0
        self._target_port = target_port
        self._bytes_per_s = bytes_per_s
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self.cut()  # a job that was cancelled before it began has closed nothing
        await asyncio.sleep(0)

    def go_silent(self) -> None:
        """Nothing passes any more, and neither end is told."""
        self._open.clear()

    def speak_again(self) -> None:
        """What was held back goes on."""
        self._open.set()

    def cut(self) -> None:
        """Every connection is reset; new ones are made as before."""
        for writer in list(self._writers):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        job = asyncio.ensure_future(self._carry(reader, writer))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(far_writer)
            ways = [
                asyncio.ensure_future(self._pass(reader, far_writer, self._bytes_per_s)),
                asyncio.ensure_future(self._pass(far_reader, writer, None)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far_writer.transport.abort()
                self._writers.discard(far_writer)
        except OSError:
            pass  # nobody listens there: the near end is hung up
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        bytes_per_s: float | None,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._open.wait()
                if bytes_per_s is not None:
                    await asyncio.sleep(len(chunk) / bytes_per_s)
                    self.went_up += len(chunk)
                writer.write(chunk)
                await writer.drain()
