"""The client for asynchronous programs: drives the conversation over `httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar
from uuid import UUID

import httpx

from client.answers import Answer, ItemAnswer
from client.carrying import ANSWER_SECONDS, bearer, emptied, lost, replied, tenant_in
from client.checking import CheckedTrades
from client.command import BatchableCommand, Command
from client.conversation import Conversation, Steps, Stream, Terms
from client.queries import ListQuery, Query, with_parameters
from client.seeing import Seen, looked_for
from client.sources import WAIT_SECONDS, Outcome
from client.trades import Trade
from client.wire import Heard, Pause, Request, Told

T = TypeVar("T")
ItemT = TypeVar("ItemT")


class AsyncClient:
    """Sends commands and asks queries as `Client` does, which says more of each method.

    May be used by several tasks at once.

    `commands` carries the address of the write side and the token, `queries` those of the read
    side; without it both are at one address. `wait` is called with the seconds to pause.
    """

    def __init__(
        self,
        commands: httpx.AsyncClient,
        queries: httpx.AsyncClient | None = None,
        *,
        terms: Terms = Terms(),  # noqa: B008 - a value that cannot change
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._commands = commands
        self._queries = commands if queries is None else queries
        self._wait = wait
        self._conversation = Conversation(terms, tenant_in(commands.headers), clock)

    @classmethod
    def to(
        cls,
        write_url: str,
        read_url: str | None = None,
        *,
        token: str,
        terms: Terms = Terms(),  # noqa: B008 - a value that cannot change
    ) -> Self:
        """Make a client of a server's addresses and a token; leaving it closes it."""

        def opened(url: str) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                base_url=url, headers=bearer(token), timeout=ANSWER_SECONDS, trust_env=False
            )

        return cls(opened(write_url), None if read_url is None else opened(read_url), terms=terms)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._commands.aclose()
        await self._queries.aclose()

    async def send(
        self, command: Command, *, key: str | None = None, version: int | None = None
    ) -> Answer:
        """Send a command until it has an outcome, and give that."""
        return await self._run(self._conversation.command(command, key, version))

    def stream(
        self, commands: Iterable[BatchableCommand], *, key: str | None = None
    ) -> AsyncIterator[ItemAnswer]:
        """Send commands of one kind in batches as they are read; one answer each, in order."""
        return self._flow(self._conversation.stream(commands, key))

    async def send_all(
        self, commands: Iterable[BatchableCommand], *, key: str | None = None
    ) -> list[ItemAnswer]:
        """Send commands as `stream` does, and give all answers at the end."""
        return [answer async for answer in self.stream(commands, key=key)]

    async def send_atomic(
        self, commands: Sequence[BatchableCommand], *, key: str | None = None
    ) -> list[ItemAnswer]:
        """Send commands of which all are to be accepted or none; one answer each, in order."""
        return await self._run(self._conversation.atomic(commands, key))

    async def check(self, trades: Sequence[Trade]) -> CheckedTrades:
        """Ask what would become of trades, without a trace."""
        return await self._run(self._conversation.check(trades))

    async def outcome(self, command_id: UUID) -> Answer | None:
        """Ask what became of a command until that is known; None: it was never seen."""
        return await self._run(self._conversation.outcome(command_id))

    async def ask(self, query: Query[ItemT]) -> ItemT:
        """Ask for one item."""
        return await self._run(self._conversation.ask(query))

    def pages(self, query: ListQuery[ItemT]) -> AsyncIterator[ItemT]:
        """Ask for all items of a list; the next page is asked for when it is needed."""
        return self._flow(self._conversation.pages(query))

    def outcomes(
        self, source: str, *, after_position: int = 0, wait_seconds: float = WAIT_SECONDS
    ) -> AsyncIterator[Outcome]:
        """Follow a source's drop copy: what became of its trades behind a log position."""
        return self._flow(self._conversation.outcomes(source, after_position, wait_seconds))

    async def document(self, path: str, **parameters: object) -> dict[str, Any]:
        """Ask by address for what has no typed query; parameters that are None are left out."""
        return await self._run(self._conversation.document(with_parameters(path, parameters)))

    def items(self, path: str, **parameters: object) -> AsyncIterator[dict[str, Any]]:
        """Ask by address for all items of a list."""
        return self._flow(self._conversation.listed(path, parameters))

    async def look(
        self,
        path: str,
        known: Seen | None = None,
        *,
        fields: Iterable[str] = (),
        form: str | None = None,
        **parameters: object,
    ) -> Seen:
        """Look at what an address of the read side answers, if it is not what is known."""
        asked = looked_for(path, fields, form, parameters)
        return await self._run(self._conversation.look(asked, known))

    async def save(
        self,
        path: str,
        file: BinaryIO,
        *,
        form: str = "csv",
        fields: Iterable[str] = (),
        **parameters: object,
    ) -> Seen:
        """Write a whole table into a file; writing waits as files do, within the loop."""
        asked = looked_for(path, fields, form, parameters)
        return await self._run(self._conversation.look(asked, None, file))

    async def _run(self, steps: Steps[T]) -> T:
        heard: Heard = None
        while True:
            try:
                step = steps.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = await self._do(step)

    async def _flow(self, stream: Stream[T]) -> AsyncIterator[T]:
        heard: Heard = None
        while True:
            try:
                step = stream.send(heard)
            except StopIteration:
                return
            if isinstance(step, Told):
                heard = None
                for item in step.items:
                    yield item
            else:
                heard = await self._do(step)

    async def _do(self, step: Request | Pause) -> Heard:
        if isinstance(step, Pause):
            await self._wait(step.seconds)
            return None
        return await self._exchanged(step)

    async def _exchanged(self, request: Request) -> Heard:
        carrier = self._queries if request.is_query else self._commands
        method, path, content, headers, _, into = request
        try:
            async with carrier.stream(
                method, path, content=content or None, headers=headers
            ) as response:
                if into is None or not response.is_success:
                    await response.aread()
                    return replied(response)
                file = emptied(into)
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
                return replied(response, b"")
        except httpx.TransportError as error:
            return lost(error, request)
