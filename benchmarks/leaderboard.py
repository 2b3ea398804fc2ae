"""A contest of many portfolios: the board after each change, a closed session, and reading it."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import perf_counter, process_time
from uuid import UUID

import msgspec
import numpy as np
import psycopg
import redis

from benchmarks.folded_tables import FoldedTables
from domain.contests.events import ContestAnnounced, ContestEntered
from domain.contests.terms import ContestTerms, Metric, Window
from domain.event import Event
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis, Fill, Side
from domain.market import Close, SessionClosed
from domain.money import ZERO, Money
from domain.portfolio.events import CashDeposited, PortfolioOpened, TradeBooked
from projections.asking import Readable
from projections.leaderboard.board import Keeper
from projections.leaderboard.keeping import PLANNED_ONCE
from projections.leaderboard.reading import Reader
from read_api.contest_shapes import leaderboard

TENANT, CONTEST, CALENDAR = "benchmark", "cup", "24/7"
FIRST = date(2024, 3, 1)
NAMES = [f"N{number:02}" for number in range(20)]
TOP = 100
MILLISECONDS = 1e3
Progress = Callable[[int, int], None]


def run(
    conninfo: str,
    redis_url: str,
    *,
    portfolios: int,
    sessions: int,
    changes: int,
    progress: Progress,
) -> dict[str, object]:
    """Fold a contest, then change and read it in turns; milliseconds by the clock and processor."""
    steps = sessions + 4
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        psycopg.connect(conninfo, autocommit=True, options=PLANNED_ONCE) as asking,
        redis.Redis.from_url(redis_url) as client,
    ):
        tables = FoldedTables(connection)
        tables.tell(TENANT, *_opening(portfolios, sessions))
        for number in range(sessions - 1):
            tables.tell(MARKET_TENANT, _closed(number))
            progress(number, steps)
        connection.execute("ANALYZE")
        keeper, readable = Keeper(client, "benchmark"), Readable(asking)
        anew = _Timed()
        with anew:
            keeper.refresh(readable)
        tables.tell(MARKET_TENANT, _closed(sessions - 1))
        closing = _Timed()
        with closing:
            keeper.refresh(readable)
        single = _Timed()
        for number in range(changes):
            tables.tell(TENANT, _bought(number * 37 % portfolios, 3, number))
            with single:
                refreshed = keeper.refresh(readable)
            assert refreshed[2:] == (0, 1), "one entrant, changed in place"
        tables.tell(TENANT, *(_bought(each * 41 % portfolios, 2, -each) for each in range(TOP)))
        together = _Timed()
        with together:
            changed = keeper.refresh(readable).changed
        progress(sessions + 3, steps)
        reading, size = _read(Reader(client), min(TOP, portfolios), turns=changes)
    return {
        "portfolios": portfolios,
        "sessions": sessions,
        "changes": changes,
        "board_anew_ms": anew.at(0.5),
        "board_anew_processor_ms": anew.processor_at(0.5),
        "session_closed_ms": closing.at(0.5),
        "session_closed_processor_ms": closing.processor_at(0.5),
        "session_closed_per_entrant_ms": round(closing.at(0.5) / portfolios, 4),
        "update_p50_ms": single.at(0.5),
        "update_p95_ms": single.at(0.95),
        "update_processor_p50_ms": single.processor_at(0.5),
        "hundred_together_per_change_ms": round(together.at(0.5) / changed, 3),
        "top_100_p50_ms": reading.at(0.5),
        "top_100_p95_ms": reading.at(0.95),
        "top_100_processor_p50_ms": reading.processor_at(0.5),
        "top_100_bytes": size,
    }


def _read(reader: Reader, ranked: int, *, turns: int) -> "tuple[_Timed, int]":
    """Read the first hundred ranks, as they are answered; give the size of an answer."""
    reading, answer = _Timed(), b""
    for _ in range(turns):
        with reading:
            board = reader.ranks(TENANT, CONTEST, first=1, last=TOP)
            assert board is not None, "it is there"
            answer = msgspec.json.encode(leaderboard(CONTEST, board, TOP + 1))
        assert len(board.ranks) == ranked, "all of them are ranked"
    return reading, len(answer)


class _Timed:
    """How long each of several turns took."""

    def __init__(self) -> None:
        self._took: list[tuple[float, float]] = []
        self._began = (0.0, 0.0)

    def __enter__(self) -> None:
        self._began = perf_counter(), process_time()

    def __exit__(self, *_: object) -> None:
        self._took.append((perf_counter() - self._began[0], process_time() - self._began[1]))

    def at(self, part: float) -> float:
        """Give a quantile, in milliseconds by the clock."""
        return round(float(np.quantile([each[0] for each in self._took], part)) * MILLISECONDS, 2)

    def processor_at(self, part: float) -> float:
        """Give a quantile, in milliseconds of this process's processor time."""
        return round(float(np.quantile([each[1] for each in self._took], part)) * MILLISECONDS, 2)


def _opening(portfolios: int, sessions: int) -> Iterator[Event]:
    terms = ContestTerms(
        window=Window.CONTEST, first_day=FIRST, last_day=FIRST + timedelta(days=sessions),
        calendar=CALENDAR, currency="USD", metric=Metric.RETURN,
    )  # fmt: skip
    yield ContestAnnounced(CONTEST, terms, FIRST, terms.last_day)
    for number in range(portfolios):
        name = f"p{number}"
        yield PortfolioOpened(
            portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO, calendar=CALENDAR,
            allows_leverage=True, allows_short=True,
        )  # fmt: skip
        money = Money(Decimal(100_000), "USD")
        yield CashDeposited(portfolio=name, amount=money, balance=ZERO, value_date=FIRST)
        yield ContestEntered(CONTEST, f"user-{number}", name)
        yield _bought(number, 100 + number % 700, -1 - number, FIRST)


def _bought(portfolio: int, units: int, trade: int, on: date = FIRST) -> TradeBooked:
    price = Decimal(50)
    fill = Fill(
        trade_id=UUID(int=trade % 2**128), source="benchmark", external_id=str(trade),
        side=Side.BUY, quantity=Decimal(units), price=price, consideration=units * price,
        trade_date=on,
    )  # fmt: skip
    return TradeBooked(
        portfolio=f"p{portfolio}", instrument=NAMES[portfolio % len(NAMES)], currency="USD",
        fill=fill, totals=BookTotals(ZERO, ZERO), cash_change=-units * price, cash_after=ZERO,
    )  # fmt: skip


def _closed(number: int) -> SessionClosed:
    session = FIRST + timedelta(days=number)
    starts_at = datetime.combine(session, time(0), UTC)
    closes = tuple(
        Close(instrument=name, price=Decimal(50 + (7 * number + 3 * place) % 11))
        for place, name in enumerate(NAMES)
    )
    return SessionClosed(
        calendar=CALENDAR, session=session, starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=23), closes=closes,
    )  # fmt: skip
