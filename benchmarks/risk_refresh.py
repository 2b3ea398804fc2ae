"""One portfolio's risk asked for after each of many trades, from the tables of `performance`."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import perf_counter, process_time
from uuid import UUID, uuid4

import numpy as np
import psycopg

from domain.event import Event
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis, Fill, Side
from domain.market import Close, SessionClosed
from domain.money import ZERO, Money
from domain.portfolio.events import CashDeposited, PortfolioOpened, TradeBooked
from domain.statistics.measured import Floats
from projections.asking import Readable
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.performance.model import PerformanceModel
from projections.performance.risk import risk_of
from projections.read_model import Decoded

TENANT, PORTFOLIO, CALENDAR, SCHEMA = "benchmark", "book", "XNYS", "performance"
MILLISECONDS = 1e3
MODEL = PerformanceModel()

_MOVE = f"""
UPDATE {SCHEMA}.checkpoint SET position = %s,
    market_position = CASE WHEN %s THEN %s ELSE market_position END
"""  # noqa: S608 - the schema is ours


def refreshes(
    conninfo: str,
    sessions: list[date],
    names: list[str],
    closes: Floats,
    positions: int,
    trades: int,
) -> dict[str, float]:
    """Fold the closes and a portfolio, then trade and ask in turns; milliseconds of the asking."""
    held = names[:: max(1, len(names) // positions)][:positions]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        tables = _Tables(connection)
        tables.tell(TENANT, *_opening(held, sessions[0]))
        tables.tell(
            MARKET_TENANT, *(_closed(*each, names) for each in zip(sessions, closes, strict=True))
        )
        connection.execute(f"ANALYZE {SCHEMA}.marks".encode())
        started = perf_counter()
        tables.ask()
        first = perf_counter() - started
        asked, used = [], []
        for number in range(trades):
            name = held[number % len(held)]
            tables.tell(
                TENANT, _bought(name, 1 + number % 3, sessions[-1] + timedelta(days=1), number)
            )
            started, processor = perf_counter(), process_time()
            tables.ask()
            asked.append((perf_counter() - started) * MILLISECONDS)
            used.append((process_time() - processor) * MILLISECONDS)
    return {
        "first_ms": round(first * MILLISECONDS, 1),
        "p50_ms": round(float(np.quantile(asked, 0.5)), 2),
        "p95_ms": round(float(np.quantile(asked, 0.95)), 2),
        "processor_p50_ms": round(float(np.quantile(used, 0.5)), 2),
        "processor_p95_ms": round(float(np.quantile(used, 0.95)), 2),
        "trades": trades,
    }


class _Tables:
    """The tables of one read model, folded by hand, with the checkpoint that goes with them."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        self._position = 0
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        connection.execute(MODEL.ddl(SCHEMA).encode())
        self._fold = MODEL.new_fold(SCHEMA)
        with connection.transaction(), connection.cursor() as cursor:
            checkpoint = Checkpoint(0, 0, None, MODEL.calculation_version, uuid4())
            create_checkpoint(cursor, SCHEMA, checkpoint)

    def tell(self, tenant: str, *events: Event) -> None:
        """Fold events in one batch."""
        now = datetime(2018, 2, 8, tzinfo=UTC)
        batch = [
            Decoded(position, tenant, now, event, UUID(int=position))
            for position, event in enumerate(events, start=self._position + 1)
        ]
        self._position += len(batch)
        is_market = tenant == MARKET_TENANT
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._fold.fold(cursor, batch)
            cursor.execute(_MOVE.encode(), (self._position, is_market, self._position))

    def ask(self) -> None:
        """Ask for the portfolio's risk."""
        found = risk_of(Readable(self._connection), tenant=TENANT, portfolio=PORTFOLIO).row
        assert found is not None, "the portfolio is there"
        assert found.figures["value_at_risk_monte_carlo_1d_99"].value, "and has a figure"


def _opening(held: list[str], on: date) -> list[Event]:
    opened = PortfolioOpened(
        portfolio=PORTFOLIO, base_currency="USD", cost_basis=CostBasis.FIFO, calendar=CALENDAR,
        allows_leverage=True, allows_short=True,
    )  # fmt: skip
    paid = CashDeposited(
        portfolio=PORTFOLIO, amount=Money(Decimal(10_000_000), "USD"), balance=ZERO, value_date=on
    )
    return [opened, paid, *(_bought(name, 100, on, -1) for name in held)]


def _bought(name: str, quantity: int, on: date, number: int) -> TradeBooked:
    external_id = f"{name}-{number}"
    price = Decimal(50)
    fill = Fill(
        trade_id=uuid4(), source="benchmark", external_id=external_id, side=Side.BUY,
        quantity=Decimal(quantity), price=price, consideration=quantity * price, trade_date=on,
    )  # fmt: skip
    return TradeBooked(
        portfolio=PORTFOLIO, instrument=name, currency="USD", fill=fill,
        totals=BookTotals(ZERO, ZERO), cash_change=-quantity * price, cash_after=ZERO,
    )  # fmt: skip


def _closed(session: date, closes: Floats, names: list[str]) -> SessionClosed:
    ends_at = datetime.combine(session, time(21), UTC)
    told = zip(names, closes.tolist(), strict=True)
    return SessionClosed(
        calendar=CALENDAR, session=session, starts_at=ends_at - timedelta(hours=6.5),
        ends_at=ends_at,
        closes=tuple(Close(instrument=name, price=Decimal(str(price))) for name, price in told),
    )  # fmt: skip
