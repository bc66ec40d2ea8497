"""A way to a server that breaks: connections end in the middle of what is sent, as a bad network does it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Cutter:
    """Lets through `after` bytes of each connection's requests, and then breaks it; `cuts` times in all."""

    after: int
    cuts: int | None = None  #: None: always.
    done: int = 0  #: Connections broken so far.
    url: str = ""

    @property
    def is_over(self) -> bool:
        return self.cuts is not None and self.done >= self.cuts


@asynccontextmanager
async def cutting(target: str, after: int, *, cuts: int | None = None) -> AsyncIterator[Cutter]:
    """A proxy before the server at `target`."""
    cutter = Cutter(after, cuts)
    parts = urlsplit(target)
    open_tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        there_reader, there_writer = await asyncio.open_connection(parts.hostname, parts.port)
        back = asyncio.create_task(_copy(there_reader, writer))
        try:
            await _copy(reader, there_writer, None if cutter.is_over else cutter)
        except asyncio.CancelledError:
            pass  # asyncio logs a connection's task that ends cancelled as an error
        finally:
            open_tasks.discard(task)
            for each in (writer, there_writer):
                each.close()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    cutter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield cutter
    finally:
        server.close()
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await server.wait_closed()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cutter: Cutter | None = None
) -> None:
    passed = 0
    with suppress(ConnectionError):
        while data := await reader.read(4096):
            if cutter is not None and passed + len(data) > cutter.after:
                writer.write(data[: cutter.after - passed])
                await writer.drain()
                cutter.done += 1
                _break(writer)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()


def _break(writer: asyncio.StreamWriter) -> None:
    """End a connection without a goodbye: what is read of it fails."""
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
