"""A TCP proxy with faults: what passes between two nodes is late, cut, out of order or in drops."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

HOST = "127.0.0.1"
READ_BYTES = 65_536


@dataclass
class Faults:
    """What happens to the connections that are accepted from now on.

    Parameters
    ----------
    cut_after : int or None
        Bytes from the opener after which both sides lose the connection.
    reset : bool
        They lose it by a reset, not by an end of the stream.
    piece : int
        Most bytes passed on at a time.
    delay_s : float
        Pause before each piece.
    swap : bool
        Each second connection is passed on before the one before it.
    """

    cut_after: int | None = None
    reset: bool = False
    piece: int = READ_BYTES
    delay_s: float = 0.0
    swap: bool = False


class Proxy:
    """Passes connections on to an address, with faults; runs on a thread of its own."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.to = to
        self.faults = Faults()
        self.accepted = 0
        self.passed = 0  # connections whose opener was heard by the other side
        self._flow = asyncio.Event()
        self._waiting: asyncio.Event | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._on_loop(self._serve)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._on_loop(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stall(self) -> None:
        """Pass nothing on until `go_on`; openers can still connect."""
        self._loop.call_soon_threadsafe(self._flow.clear)

    def go_on(self) -> None:
        """Pass on again."""
        self._loop.call_soon_threadsafe(self._flow.set)

    def cut(self, *, reset: bool) -> None:
        """Cut what is open now."""

        async def now() -> None:
            for writer in tuple(self._open):
                _drop(writer, reset)

        self._on_loop(now)

    def _on_loop(self, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(body(), self._loop).result(15)

    async def _serve(self) -> None:
        self._flow.set()
        self._server = await asyncio.start_server(self._accept, sock=self._listener)

    async def _end(self) -> None:
        self._server.close()
        await _turns()  # what was accepted a moment ago gets its task
        while self._tasks:
            for writer in tuple(self._open):
                _drop(writer, True)
            ended = tuple(self._tasks)
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)
            self._tasks.difference_update(ended)
            await _turns()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        self.accepted += 1
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._pass(reader, writer, self.faults)
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults
    ) -> None:
        if faults.swap:
            await self._turn()
        to_reader, to_writer = await asyncio.open_connection(*self.to)
        self._open.add(to_writer)
        try:
            there = asyncio.create_task(self._pump(reader, to_writer, faults, faults.cut_after))
            back = asyncio.create_task(self._pump(to_reader, writer, faults, None))
            self._tasks.update((there, back))
            # Who closes has said all, but may still be told something.
            whole = await there
            if not whole:
                _drop(writer, faults.reset)
                _drop(to_writer, faults.reset)
                back.cancel()
            with suppress(asyncio.CancelledError):
                await back
            self._tasks.difference_update((there, back))
        finally:
            self._open.discard(to_writer)
            to_writer.close()

    async def _turn(self) -> None:
        """Let the next connection go first."""
        if self._waiting is None:
            self._waiting = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.wait(), 2)  # the last one has no next
        else:
            before, self._waiting = self._waiting, None
            asyncio.get_running_loop().call_later(0.02, before.set)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        faults: Faults,
        most: int | None,
    ) -> bool:
        """Pass bytes on until the end; False when they were cut."""
        passed = 0
        with suppress(OSError):
            while data := await reader.read(faults.piece):
                await self._flow.wait()
                if faults.delay_s:
                    await asyncio.sleep(faults.delay_s)
                if most is not None and passed + len(data) >= most:
                    writer.write(data[: most - passed])
                    await writer.drain()
                    return False
                writer.write(data)
                await writer.drain()
                passed += len(data)
            await self._flow.wait()
            if writer.can_write_eof():
                writer.write_eof()
        return True


async def _turns() -> None:
    """Let the loop do what is due, and what that leads to."""
    for _ in range(5):
        await asyncio.sleep(0)


def _drop(writer: asyncio.StreamWriter, reset: bool) -> None:
    """End a connection: at once by a reset, or after what was written to it."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if reset and connection is not None:
        linger = (1).to_bytes(4, "little") + bytes(4)
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    else:
        writer.close()
