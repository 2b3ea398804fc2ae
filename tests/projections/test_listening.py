"""Hints are heard again by whoever lost the connection without being told so."""

import asyncio
import itertools
from contextlib import closing

import pytest

from projections import listening
from projections.announcing import CHANNEL, Announcement
from projections.listening import listen


def bulk(text: str) -> bytes:
    """Write a text as Redis tells one."""
    return f"${len(text.encode())}\r\n{text}\r\n".encode()


MESSAGE = b"*3\r\n" + bulk("message") + bulk(CHANNEL)
SUBSCRIBED = b"*3\r\n" + bulk("subscribe") + bulk(CHANNEL) + b":1\r\n"


def test_a_silent_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers nothing any more, and is never closed; what nobody can read ends nothing."""
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(listening, "PING_SECONDS", 0.05)
    monkeypatch.setattr(listening, "SILENT_SECONDS", 0.3)
    numbers = itertools.count(1)
    heard: list[Announcement] = []
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, pings = next(numbers), 0
        with closing(writer):
            while line := await reader.readline():
                command = line.strip().upper()
                if command == b"SUBSCRIBE":
                    told = f'[{{"model":"cash","position":{number},"market_position":0}}]'
                    writer.write(SUBSCRIBED + MESSAGE + b"$1\r\n\xff\r\n" + MESSAGE + bulk(told))
                elif command == b"PING" and number > 1:
                    pings += 1
                    writer.write(b"*2\r\n" + bulk("pong") + bulk(""))
                    if pings == 20:  # Three times as long as one may be silent.
                        answered.set()
                elif command in {b"CLIENT", b"HELLO"}:
                    writer.write(b"+OK\r\n")

    async def hear() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            task = asyncio.ensure_future(listen(f"redis://127.0.0.1:{port}/0", heard.append))
            async with asyncio.timeout(30):
                await answered.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(hear())

    assert [each.position for each in heard] == [1, 2]
