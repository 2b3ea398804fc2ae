"""A TCP proxy of this machine that can break, refuse, lose, hold and slow what passes through it.

One event loop in a thread of its own carries all lines; every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

PIECE_BYTES = 65_536
_END_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: a broken line ends in a reset, not in a farewell."""


class Line:
    """One line: a port of its own that leads to a server's port.

    `server_port` may be given later: until then everybody is turned away.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, server_port: int | None) -> None:
        self.server_port = server_port
        self.port = 0
        self.connections_broken = 0
        self._loop = loop
        self._refuses = False
        self._deafening: bytes | None = None
        self._loses_answers = False
        self._delay_seconds = 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def cut(self) -> None:
        """Break every connection; new ones may be opened at once."""
        self._tell(self._break)

    def refuse(self) -> None:
        """Break every connection and turn new ones away, until `lift`."""
        self._refuses = True
        self._tell(self._break)

    def deafen(self, asked: bytes = b"") -> None:
        """Lose what the server answers from the next request on that holds the bytes `asked`.

        `lift` then breaks every connection.
        """
        self._deafening = asked

    def hold(self) -> None:
        """Let no byte pass, until `lift`."""
        self._tell(self._flows.clear)

    def slow(self, delay_seconds: float) -> None:
        """Delay every piece of data, until `lift`."""
        self._delay_seconds = delay_seconds

    def lift(self) -> None:
        """End whatever lasts."""
        if self._loses_answers:
            self._tell(self._break)  # Nobody may go on behind a gap.
        self._refuses = self._loses_answers = False
        self._deafening = None
        self._delay_seconds = 0.0
        self._tell(self._flows.set)

    async def listen(self) -> None:
        """Open the line's own port."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Break everything and let go of the port."""
        if self._server is not None:
            self._server.close()
        self._refuses = True
        self._flows.set()
        self._break()

    def _tell(self, change: Callable[[], None]) -> None:
        """Have the loop do it, and wait until it is done."""
        done: Future[None] = Future()

        def act() -> None:
            change()
            done.set_result(None)

        self._loop.call_soon_threadsafe(act)
        done.result()

    def _break(self) -> None:
        for writer in self._open:
            self.connections_broken += 1
            end = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _END_AT_ONCE)
            writer.transport.abort()
        self._open.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways until either end or a fault ends it."""
        ends = [writer]
        try:
            if self._refuses or self.server_port is None:
                return
            self._open.add(writer)
            try:
                opened = await asyncio.open_connection("127.0.0.1", self.server_port)
            except OSError:
                return
            ends.append(opened[1])
            if writer not in self._open:  # It was broken while the other half was opened.
                return
            self._open.add(opened[1])
            ways = [
                asyncio.ensure_future(self._pass_on(reader, opened[1], is_answer=False)),
                asyncio.ensure_future(self._pass_on(opened[0], writer, is_answer=True)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            for end in ends:
                self._open.discard(end)
                end.transport.abort() if self._refuses else end.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await self._flows.wait()
                if not is_answer and self._deafening is not None and self._deafening in piece:
                    self._loses_answers = True
                if is_answer and self._loses_answers:
                    continue
                writer.write(piece)
                await writer.drain()


class Proxy:
    """Carries lines from entering to leaving; `line` opens one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def line(self, server_port: int | None) -> Line:
        """Open a line to a server of this machine."""
        line = Line(self._loop, server_port)
        asyncio.run_coroutine_threadsafe(line.listen(), self._loop).result()
        self._lines.append(line)
        return line

    async def _end(self) -> None:
        for line in self._lines:
            await line.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=5.0) if others else None
        await asyncio.sleep(0)  # Aborted transports close their sockets in the next turn.
