"""One portfolio's risk asked for after each of many trades, from the tables of `performance`."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import perf_counter, process_time
from uuid import uuid4

import numpy as np
import psycopg

from benchmarks.folded_tables import SCHEMA, FoldedTables
from domain.event import Event
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis, Fill, Side
from domain.market import Close, SessionClosed
from domain.money import ZERO, Money
from domain.portfolio.events import CashDeposited, PortfolioOpened, TradeBooked
from domain.statistics.measured import Floats
from projections.asking import Readable
from projections.performance.risk import risk_of

TENANT, PORTFOLIO, CALENDAR = "benchmark", "book", "XNYS"
MILLISECONDS = 1e3


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
        tables, readable = FoldedTables(connection), Readable(connection)
        tables.tell(TENANT, *_opening(held, sessions[0]))
        tables.tell(
            MARKET_TENANT, *(_closed(*each, names) for each in zip(sessions, closes, strict=True))
        )
        connection.execute(f"ANALYZE {SCHEMA}.marks".encode())
        started = perf_counter()
        _ask(readable)
        first = perf_counter() - started
        asked, used = [], []
        for number in range(trades):
            name = held[number % len(held)]
            tables.tell(
                TENANT, _bought(name, 1 + number % 3, sessions[-1] + timedelta(days=1), number)
            )
            started, processor = perf_counter(), process_time()
            _ask(readable)
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


def _ask(readable: Readable) -> None:
    """Ask for the portfolio's risk."""
    found = risk_of(readable, tenant=TENANT, portfolio=PORTFOLIO).row
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
