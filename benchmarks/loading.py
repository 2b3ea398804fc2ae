"""Loading a portfolio into a desk from PostgreSQL: by its snapshot, and by replay of all events.

The stream is decided and folded here and appended in large transactions; a desk would write the
same events, one turn after the other.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from statistics import median
from uuid import UUID, uuid4

import msgspec

from benchmarks.book import LOTS_OF_HISTORY, MILLISECONDS, seconds_of, trades
from commands.overlay import Overlay
from commands.snapshots import EVENTS_BETWEEN, Snapshots
from commands.view import View
from commands.world import World
from domain.identity import portfolio_stream
from domain.lots import CostBasis, Fill
from domain.portfolio.booking import book_fill
from domain.portfolio.events import PortfolioEvent, PortfolioOpened
from domain.portfolio.state import Portfolio
from eventstore.collecting import rare_collections
from eventstore.envelope import NewEvent
from eventstore.log import Log
from eventstore.tables import create_log
from schemas.codec import encode, event_name
from schemas.snapshots import FORM

TENANT = "benchmark"
EVENTS_PER_APPEND = 10_000
ROUNDS = 20
INSTRUMENTS = 500
LOTS_EACH = 5
LATE_BY = 1_000

Progress = Callable[[int, int], None]


class Stream:
    """One portfolio, its events appended to the log as they are decided."""

    def __init__(self, log: Log, name: str) -> None:
        self.log = log
        self.stream_id = portfolio_stream(TENANT, name)
        self.portfolio = Portfolio()
        self._waiting: list[NewEvent] = []
        self._take(
            PortfolioOpened(
                portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO, calendar="24/7",
                allows_leverage=True, allows_short=True,
            ),
            None,
        )  # fmt: skip

    def book(self, instrument: str, fill: Fill) -> None:
        """Decide and fold a fill that is in time."""
        events = book_fill(
            self.portfolio, instrument=instrument, currency="USD", fill=fill, rate_to_base=None,
            history=in_time,
        )  # fmt: skip
        for event in events:
            self._take(event, instrument)
        if len(self._waiting) >= EVENTS_PER_APPEND:
            self.flush()

    def flush(self) -> None:
        """Append what waits."""
        with self.log.writing() as writing:
            writing.append(self._waiting, [])
        self._waiting = []

    def snapshot_bytes(self) -> int:
        """Have a snapshot taken as a desk does, and wait for it."""
        own = Snapshots(self.log)
        own.offer(self.stream_id, self.portfolio)
        own.finish()
        found = self.log.snapshot(self.stream_id, FORM, until=self.log.head().position)
        assert found is not None, "it was kept"
        assert found.version == self.portfolio.version, "it is the newest"
        return len(found.data)

    def _take(self, event: PortfolioEvent, key: str | None) -> None:
        self.portfolio.apply(event)
        command = uuid4()
        self._waiting.append(
            NewEvent(
                stream_id=self.stream_id,
                stream_version=self.portfolio.version,
                event_type=event_name(event),
                data=encode(event),
                key=key,
                tenant=TENANT,
                actor=TENANT,
                command_id=command,
                correlation_id=command,
                causation_id=None,
                trace_context=None,
            )
        )


def in_time(_from_version: int) -> Iterator[tuple[int, Fill]]:
    """Give the history that nobody needs who is in time."""
    raise AssertionError("nothing here is late")


def started(stream: Stream, snapshots: Snapshots | None) -> World:
    """Give what a desk knows that has just started."""
    world = World(snapshots)
    world.position = stream.log.head().position
    return world


def loaded(world: World, stream: Stream) -> Portfolio:
    """Load a portfolio; its book is made when first looked at, and that is part of it."""
    portfolio = world.portfolio(stream.stream_id, stream.log)
    assert portfolio is not None, "it was opened"
    assert portfolio.version == stream.portfolio.version, "all of it"
    book = portfolio.book(next(iter(portfolio.books)))
    assert len(book.lots) > 0, "something is open"
    return portfolio


def replay_seconds(stream: Stream) -> float:
    """Time a load without a snapshot."""
    return seconds_of(partial(loaded, started(stream, None), stream))


def load_ms(stream: Stream) -> dict[str, float]:
    """Time some loads from a snapshot, and the next trade and a late one after each."""
    own = Snapshots(stream.log)
    instrument, book = next(iter(stream.portfolio.books.items()))
    last = book.steps[-1].fill
    assert last.executed_at is not None, "every trade here has its time"
    found: dict[str, list[float]] = {
        "load": [], "next_trade": [], "late_by_1000": [], "all_books": []
    }  # fmt: skip
    for number in range(ROUNDS):
        world = started(stream, own)
        found["load"].append(seconds_of(partial(loaded, world, stream)))
        for what, late in (("next_trade", -1), ("late_by_1000", LATE_BY)):
            fill = msgspec.structs.replace(
                last, trade_id=UUID(int=10**12 + number), external_id=f"next-{number}",
                executed_at=last.executed_at - timedelta(milliseconds=late, microseconds=1),
            )  # fmt: skip
            found[what].append(seconds_of(partial(fold_one, world, stream, instrument, fill)))
        found["all_books"].append(seconds_of(partial(look_at_all, world, stream)))
    own.finish()
    return {
        "load_best_ms": round(min(found["load"]) * MILLISECONDS, 2),
        "load_worst_ms": round(max(found["load"]) * MILLISECONDS, 2),
        **{f"{what}_ms": round(median(each) * MILLISECONDS, 2) for what, each in found.items()},
    }


def look_at_all(world: World, stream: Stream) -> None:
    """Look at every book, as closing the portfolio does."""
    for book in world.portfolios[stream.stream_id].books.values():
        assert book.quantity, "something is open"


def fold_one(world: World, stream: Stream, instrument: str, fill: Fill) -> None:
    """Decide and fold one fill on what is loaded, its history read from the log."""
    portfolio = world.portfolios[stream.stream_id].fork()
    view = View(Overlay(world), stream.log, {})
    events = book_fill(
        portfolio, instrument=instrument, currency="USD", fill=fill, rate_to_base=None,
        history=lambda version: view.entries(stream.stream_id, instrument, version),
    )  # fmt: skip
    for event in events:
        portfolio.apply(event)


def run(
    owner_conninfo: str, app_conninfo: str, *, trades_of_history: int, progress: Progress
) -> dict[str, object]:
    """Measure loads of one long stream, and of one of many instruments."""
    create_log(owner_conninfo)
    with (
        rare_collections(),
        Log(app_conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log,
    ):
        stream, coming = Stream(log, "long"), trades(LOTS_OF_HISTORY)
        for number, fill in enumerate(islice(coming, trades_of_history), start=1):
            stream.book("AAPL", fill)
            if number % EVENTS_PER_APPEND == 0:
                progress(number, trades_of_history)
        stream.flush()
        result: dict[str, object] = {
            "trades": trades_of_history,
            "open_lots": len(stream.portfolio.book("AAPL").lots),
            "replay_ms": round(replay_seconds(stream) * MILLISECONDS),
            "snapshot_bytes": stream.snapshot_bytes(),
            **load_ms(stream),
        }
        for fill in islice(coming, EVENTS_BETWEEN - 1):
            stream.book("AAPL", fill)
        stream.flush()
        result["longest_behind"] = {"events": EVENTS_BETWEEN - 1, **load_ms(stream)}
        wide = Stream(log, "wide")
        for number, fill in enumerate(islice(trades(10**9), INSTRUMENTS * LOTS_EACH)):
            wide.book(f"I{number % INSTRUMENTS:03}", fill)
        wide.flush()
        result["wide"] = {
            "instruments": INSTRUMENTS,
            "open_lots": INSTRUMENTS * LOTS_EACH,
            "replay_ms": round(replay_seconds(wide) * MILLISECONDS, 1),
            "snapshot_bytes": wide.snapshot_bytes(),
            **load_ms(wide),
        }
    return result
