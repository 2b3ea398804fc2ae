"""The client for programs that wait: drives the conversation over `httpx.Client`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class Client:
    """Sends commands and asks queries; may be used by several threads at once.

    `commands` carries the address of the write side and the token, `queries` those of the read
    side; without it both are at one address. `wait` is called with the seconds to pause.
    """

    def __init__(
        self,
        commands: httpx.Client,
        queries: httpx.Client | None = None,
        *,
        terms: Terms = Terms(),  # noqa: B008 - a value that cannot change
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
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

        def opened(url: str) -> httpx.Client:
            return httpx.Client(
                base_url=url, headers=bearer(token), timeout=ANSWER_SECONDS, trust_env=False
            )

        return cls(opened(write_url), None if read_url is None else opened(read_url), terms=terms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._commands.close()
        self._queries.close()

    def send(
        self, command: Command, *, key: str | None = None, version: int | None = None
    ) -> Answer:
        """Send a command until it has an outcome, and give that.

        With `version`, it is decided only if what it acts on has still that version.

        Raises:
            VersionMismatch: it has another; nothing is written, and the key is unused.
            Unanswered: patience ended first: `NothingAttempted` or `OutcomeUnknown`.
            Refused: the request was refused, whatever the command.
        """
        return self._run(self._conversation.command(command, key, version))

    def stream(
        self, commands: Iterable[BatchableCommand], *, key: str | None = None
    ) -> Iterator[ItemAnswer]:
        """Send commands of one kind in batches as they are read; one answer each, in order.

        Sent again from the beginning under the same key, nothing of it happens twice.

        Raises:
            Unanswered: patience with one batch ended; those before are answered.
            Refused: a batch as a whole was refused.
        """
        return self._flow(self._conversation.stream(commands, key))

    def send_all(
        self, commands: Iterable[BatchableCommand], *, key: str | None = None
    ) -> list[ItemAnswer]:
        """Send commands as `stream` does, and give all answers at the end."""
        return list(self.stream(commands, key=key))

    def send_atomic(
        self, commands: Sequence[BatchableCommand], *, key: str | None = None
    ) -> list[ItemAnswer]:
        """Send commands of which all are to be accepted or none; one answer each, in order.

        Raises:
            ValueError: they do not fit into one batch.
            Unanswered, Refused: as `send`; a malformed one refuses the batch.
        """
        return self._run(self._conversation.atomic(commands, key))

    def check(self, trades: Sequence[Trade]) -> CheckedTrades:
        """Ask what would become of trades, without a trace.

        At most 500 trades, each seeing those before it. Nothing is written, no key is used, and
        nothing of the answer is promised.

        Raises:
            Unanswered, Refused: as `ask`; a malformed trade refuses the check.
        """
        return self._run(self._conversation.check(trades))

    def outcome(self, command_id: UUID) -> Answer | None:
        """Ask what became of a command until that is known; None: it was never seen.

        Raises:
            Unanswered, Refused: as `send`.
        """
        return self._run(self._conversation.outcome(command_id))

    def ask(self, query: Query[ItemT]) -> ItemT:
        """Ask for one item.

        Raises:
            Unanswered: patience ended first.
            Refused: the answer is a problem, such as `not_found`.
        """
        return self._run(self._conversation.ask(query))

    def pages(self, query: ListQuery[ItemT]) -> Iterator[ItemT]:
        """Ask for all items of a list; the next page is asked for when it is needed.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        return self._flow(self._conversation.pages(query))

    def outcomes(
        self, source: str, *, after_position: int = 0, wait_seconds: float = WAIT_SECONDS
    ) -> Iterator[Outcome]:
        """Follow a source's drop copy: what became of its trades behind a log position.

        Each once, in log order: store the position of the last one you have dealt with, and whoever
        goes on from there gets exactly the rest. Waits for ever; with `wait_seconds` 0 it ends
        where there is nothing more.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        return self._flow(self._conversation.outcomes(source, after_position, wait_seconds))

    def document(self, path: str, **parameters: object) -> dict[str, Any]:
        """Ask by address for what has no typed query here; parameters that are None are left out.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        return self._run(self._conversation.document(with_parameters(path, parameters)))

    def items(self, path: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """Ask by address for all items of a list.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        return self._flow(self._conversation.listed(path, parameters))

    def look(
        self,
        path: str,
        known: Seen | None = None,
        *,
        fields: Iterable[str] = (),
        form: str | None = None,
        **parameters: object,
    ) -> Seen:
        """Look at what an address of the read side answers, as it is sent: JSON, or a whole table.

        `fields` are those wanted, by default all; `form` is `csv`, `parquet` or `arrow`. Give what
        was seen `known` with the same parameters: if it still holds, it comes back unchanged.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        asked = looked_for(path, fields, form, parameters)
        return self._run(self._conversation.look(asked, known))

    def save(
        self,
        path: str,
        file: BinaryIO,
        *,
        form: str = "csv",
        fields: Iterable[str] = (),
        **parameters: object,
    ) -> Seen:
        """Write a whole table into a file, from its beginning; `form` as for `look`.

        An attempt that broke off is begun anew. What is seen has no content.

        Raises:
            Unanswered, Refused: as `ask`.
        """
        asked = looked_for(path, fields, form, parameters)
        return self._run(self._conversation.look(asked, None, file))

    def _run(self, steps: Steps[T]) -> T:
        heard: Heard = None
        while True:
            try:
                step = steps.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = self._do(step)

    def _flow(self, stream: Stream[T]) -> Iterator[T]:
        heard: Heard = None
        while True:
            try:
                step = stream.send(heard)
            except StopIteration:
                return
            if isinstance(step, Told):
                heard = None
                yield from step.items
            else:
                heard = self._do(step)

    def _do(self, step: Request | Pause) -> Heard:
        if isinstance(step, Pause):
            self._wait(step.seconds)
            return None
        return self._exchanged(step)

    def _exchanged(self, request: Request) -> Heard:
        carrier = self._queries if request.is_query else self._commands
        method, path, content, headers, _, into = request
        try:
            with carrier.stream(method, path, content=content or None, headers=headers) as response:
                if into is None or not response.is_success:
                    response.read()
                    return replied(response)
                file = emptied(into)
                for chunk in response.iter_bytes():
                    file.write(chunk)
                return replied(response, b"")
        except httpx.TransportError as error:
            return lost(error, request)
