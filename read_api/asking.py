"""From a request to a query and back: wait for the position asked for, ask, shape the answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from starlette.responses import Response

from eventstore.partitions import Partition
from gateway.interface import Call, Endpoint, json_response, not_found
from gateway.problem import Problem
from projections.asking import HistoryTooLong, Readable, ReadModelMissing, State
from projections.paging import CursorInvalid
from projections.positions.queries import portfolio_of
from projections.positions.tables import PortfolioRow
from projections.reading import Reading, ReadingUnavailable, Sitting
from projections.sorting import SORTED_ROWS_MAX, SortTooLong, SortUnknown
from read_api.waiting import PositionWatch

WAIT_SECONDS_MAX = 30.0
PAGE_ITEMS_MAX = 1_000
POSITIONS = "positions"

SITTING: ContextVar[Sitting | None] = ContextVar("SITTING", default=None)
"""What the questions of the request that is being answered have in common."""

MinPosition = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        le=2**63 - 1,
        description="Wait until the answer is of this log position or a later one: "
        "the `position` of a write's answer, to read that write.",
    ),
]
WaitSeconds = Annotated[
    float,
    msgspec.Meta(
        ge=0, le=WAIT_SECONDS_MAX, description="The longest wait for `min_position`, in seconds."
    ),
]
Limit = Annotated[
    int, msgspec.Meta(ge=1, le=PAGE_ITEMS_MAX, description="The most items of one page.")
]
Cursor = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_\-]{1,1000}\Z",
        description="The `next_cursor` of the page before, with the same other parameters.",
    ),
]


class Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every query takes."""

    min_position: MinPosition = 0
    wait_seconds: WaitSeconds = 5.0


class PageAsked(Asked, kw_only=True):
    """What every query of a list takes."""

    cursor: Cursor | None = None
    limit: Limit = 100


class Positioned(Protocol):
    """An answer that says which log position it is of."""

    @property
    def position(self) -> int:
        """The log position all of it is of."""
        ...


AnswerT = TypeVar("AnswerT", bound=Positioned)
ValueT = TypeVar("ValueT")
Query = Callable[[Readable], AnswerT]


class Asking:
    """Ask the read models, off the event loop."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._executor = ThreadPoolExecutor(reading.pool_size, thread_name_prefix="query")
        self.watch = PositionWatch(self._read_positions)

    def close(self) -> None:
        """End the threads that ask."""
        self._executor.shutdown()

    def home_of(self, tenant: str, portfolio: str) -> tuple[Partition, ...]:
        """Give the one partition to ask about a portfolio."""
        return self._reading.home_of(tenant, portfolio)

    @property
    def any_partition(self) -> tuple[Partition, ...]:
        """One partition, to ask about what all of them hold."""
        return self._reading.partitions[:1]

    async def answer(
        self,
        call: Call,
        model: str,
        query: Query[AnswerT],
        partitions: tuple[Partition, ...] | None = None,
    ) -> Response:
        """Ask a query of one model, at the position the call wants, of some partitions or of all.

        `query` gets what can be read; it runs in a thread, where its answer is shaped and encoded.

        Raises:
            Problem: `position_not_reached`, `cursor_invalid`, `parameter_invalid` (its sort),
                `sort_too_long`, `history_too_long`, `not_found` or `not_ready`.
        """
        wanted: int = call.parameters.min_position
        deadline = time.monotonic() + call.parameters.wait_seconds
        # Whether a portfolio exists is told by `positions`, so that one has to be as far too.
        asked = partitions or self._reading.partitions
        schemas = frozenset(
            name + partition.suffix for name in (model, POSITIONS) for partition in asked
        )
        stood = not wanted  # whether the checkpoints, not hints, were there before the question
        sitting = SITTING.get()

        def ask() -> tuple[int, Response]:
            answer = self._reading.answer(query, asked, sitting)
            return answer.position, json_response(answer)

        while True:
            if wanted and not await self._reached(self.watch.reach(schemas, wanted, deadline)):
                raise _not_reached(wanted)
            try:
                position, response = await self._run(ask)
            except Problem as problem:
                # An absence has no position of its own to be compared.
                if stood or problem.code != "not_found":
                    raise
                stood = await self._reached(self.watch.stands_at(schemas, wanted))
                if not stood and time.monotonic() >= deadline:
                    raise _not_reached(wanted) from None
                continue
            if position >= wanted:
                return response
            # What was heard of the slowest was too much; the others are looked at again as well.
            for partition in asked:
                self.watch.heard(model + partition.suffix, position)
            if time.monotonic() >= deadline:
                raise _not_reached(wanted)

    async def at_once(self, query: Callable[[Readable], ValueT]) -> ValueT:
        """Ask of all partitions, or of the log, at whatever position they stand.

        Raises:
            Problem: `not_ready` or `not_found`.
        """
        return await self._run(partial(self._reading.answer, query, None, SITTING.get()))

    async def states(self, schemas: Iterable[str]) -> Mapping[str, State | None]:
        """Tell what the tables of schemas hold now.

        Raises:
            Problem: `not_ready`.
        """
        return await self._run(lambda: self._reading.states(schemas))

    @asynccontextmanager
    async def one_snapshot(self) -> AsyncIterator[None]:
        """Answer everything within from one snapshot of the database.

        Raises:
            Problem: `not_ready`.
        """
        sitting = SITTING.get()
        assert sitting is not None, "whoever holds a snapshot has sat down"
        held = self._reading.held(sitting)
        await self._run(held.__enter__)
        try:
            yield
        finally:
            await self._run(partial(held.__exit__, None, None, None))

    async def in_thread(self, work: Callable[[], ValueT]) -> ValueT:
        """Work off the event loop, in the threads that ask."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def page(
        self,
        endpoint: Endpoint,
        call: Call,
        cursor: str | None,
        decoder: msgspec.json.Decoder[Any],
    ) -> Any:  # noqa: ANN401 - what the decoder gives
        """Ask an endpoint for its longest page behind a cursor, or for all if it has no pages."""
        asked = call.parameters
        if isinstance(asked, PageAsked):
            asked = msgspec.structs.replace(asked, cursor=cursor, limit=PAGE_ITEMS_MAX)
        response = await endpoint.handle(call._replace(parameters=asked))
        return await self.in_thread(partial(decoder.decode, bytes(response.body)))

    async def judged(self, work: Callable[[], ValueT]) -> ValueT:
        """Work off the event loop on what was asked.

        Raises:
            Problem: `cursor_invalid`, `parameter_invalid` (its sort) or `sort_too_long`.
        """
        return await self._run(work)

    async def moved_on(self, model: str, position: int, deadline: float) -> bool:
        """Wait until a model stands beyond a position in all partitions; False at the deadline.

        Raises:
            Problem: `not_ready`.
        """
        schemas = frozenset(model + partition.suffix for partition in self._reading.partitions)
        return await self._reached(self.watch.reach(schemas, position + 1, deadline))

    async def _reached(self, watching: Awaitable[bool]) -> bool:
        try:
            return await watching
        except ReadingUnavailable:
            raise _not_ready("The database cannot be asked now; try again.") from None

    async def _read_positions(self, models: Iterable[str]) -> Mapping[str, int | None]:
        return await self.in_thread(lambda: self._reading.positions(models))

    async def _run(self, ask: Callable[[], ValueT]) -> ValueT:
        try:
            return await self.in_thread(ask)
        except CursorInvalid:
            raise Problem(
                "cursor_invalid",
                "Use `next_cursor` as it was given, with the same parameters; or begin anew.",
                fields=("cursor",),
            ) from None
        except HistoryTooLong as error:
            most = f"Only {error.facts_max:,} facts are folded for one answer"
            detail = f"{most}; {error.instead}."
            raise Problem("history_too_long", detail) from None
        except SortTooLong as error:
            instead = f"sort by {', '.join(error.indexed)}" if error.indexed else "leave sort out"
            detail = (
                f"More than {SORTED_ROWS_MAX:,} rows match; narrow them by filters, or {instead}."
            )
            raise Problem("sort_too_long", detail, fields=("sort",)) from None
        except SortUnknown as error:
            detail = f"Sort by {', '.join(error.known)}; with - before it, from the largest."
            raise Problem("parameter_invalid", detail, fields=("sort",)) from None
        except ReadModelMissing:
            raise _not_ready("The projector has not begun yet; try again.") from None
        except ReadingUnavailable:
            raise _not_ready("The database cannot be asked now; try again.") from None


def require_portfolio(readable: Readable, *, tenant: str, portfolio: str) -> PortfolioRow:
    """Let pass only a portfolio of the tenant, and give it; absent and another's are the same.

    Raises:
        Problem: `not_found`.
    """
    row = portfolio_of(readable, tenant=tenant, portfolio=portfolio).row
    if row is None:
        raise not_found()
    return row


def _not_reached(wanted: int) -> Problem:
    return Problem(
        "position_not_reached",
        f"Position {wanted} is not folded yet; ask again, or with a larger wait_seconds.",
        headers={"Retry-After": "1"},
    )


def _not_ready(detail: str) -> Problem:
    return Problem("not_ready", detail, headers={"Retry-After": "1"})
