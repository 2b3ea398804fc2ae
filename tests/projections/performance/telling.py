"""Events in few words, and folding them into tables of a test's own.

Sessions open at 14:30 and close at 21:00 UTC; days are numbered from Friday 2024-03-01, all of them
sessions if a test says so. Positions are counted from 1 in the order in which events are told.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import psycopg

from domain.event import Event
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.instrument import WrittenDown
from domain.lots import CostBasis, Fill, Side
from domain.market import (
    Close,
    CloseCorrected,
    Finding,
    FollowingClose,
    Mark,
    MarketMarked,
    Rate,
    SessionClosed,
)
from domain.money import ZERO, Money
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, FeeKind, InterestBooked
from projections.gathering import GatheringCursor
from projections.performance.model import PerformanceModel
from projections.read_model import Decoded
from tests.projections.folding import forget_form, make_tables

ACME, GLOBEX = "acme", "globex"
NEW_YORK, FRANKFURT = "XNYS", "XETR"
BOOK = "book-1"
MODEL = PerformanceModel()
NOBODY = UUID(int=0)

Told = tuple[str, Event]
"""A tenant and what happened to it."""


def day(number: int) -> date:
    """The date of day `number`."""
    return date(2024, 3, 1) + timedelta(days=number - 1)


def at(number: int, hour: int = 12, minute: int = 0) -> datetime:
    """A moment on day `number`."""
    return datetime.combine(day(number), time(hour, minute, tzinfo=UTC))


def opened(
    portfolio: str = BOOK, *, tenant: str = ACME, base: str = "USD", calendar: str = NEW_YORK
) -> Told:
    """A portfolio began."""
    return tenant, PortfolioOpened(
        portfolio=portfolio, base_currency=base, cost_basis=CostBasis.FIFO,
        calendar=calendar, allows_leverage=True, allows_short=True,
    )  # fmt: skip


def flow(
    amount: str | Decimal, on: int | None = None, *, moment: datetime | None = None,
    portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """Cash came in, or with a negative amount went out, on a day or at a moment."""
    signed = Decimal(amount)
    kind = CashDeposited if signed > 0 else CashWithdrawn
    value_date = day(on) if on is not None else (moment or at(1)).date()
    return tenant, kind(
        portfolio=portfolio, amount=Money(abs(signed), currency), balance=ZERO,
        value_date=value_date, at=moment,
    )  # fmt: skip


def fee(
    amount: str | Decimal, on: int, *, moment: datetime | None = None,
    portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """A fee was charged."""
    return tenant, FeeCharged(
        portfolio=portfolio, kind=FeeKind.CUSTODY, amount=Money(Decimal(amount), currency),
        balance=ZERO, value_date=day(on), at=moment,
    )  # fmt: skip


def interest(
    amount: str | Decimal, on: int, *, moment: datetime | None = None,
    portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """Interest was booked, paid if below zero."""
    return tenant, InterestBooked(
        portfolio=portfolio, amount=Money(Decimal(amount), currency), balance=ZERO,
        value_date=day(on), at=moment,
    )  # fmt: skip


def exchanged(
    sold: str, bought: str, on: int, *, charged: str | None = None, moment: datetime | None = None,
    portfolio: str = BOOK, tenant: str = ACME,
) -> Told:  # fmt: skip
    """Dollars were sold for euros, with a fee in euros if one is given."""
    return tenant, CashExchanged(
        portfolio=portfolio, sold=Money(Decimal(sold), "USD"), bought=Money(Decimal(bought), "EUR"),
        rate=Decimal(1), balance_sold=ZERO, balance_bought=ZERO, value_date=day(on), at=moment,
        fee=None if charged is None else Money(Decimal(charged), "EUR"),
    )  # fmt: skip


def trade(
    instrument: str, quantity: str | Decimal, price: str | Decimal, on: int, *,
    moment: datetime | None = None, name: str | None = None, fee: str = "0",
    portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """A trade was booked, a sale if the quantity is negative; only what valuation reads is true."""
    signed, paid = Decimal(quantity), Decimal(fee)
    external_id = name or f"t-{instrument}-{on}-{quantity}"
    trade_id = uuid5(NOBODY, external_id)
    fill = Fill(
        trade_id=trade_id, source="desk", external_id=external_id,
        side=Side.SELL if signed < 0 else Side.BUY, quantity=abs(signed), price=Decimal(price),
        consideration=abs(signed) * Decimal(price), fee=paid, trade_date=day(on),
        executed_at=moment,
    )  # fmt: skip
    return tenant, TradeBooked(
        portfolio=portfolio, instrument=instrument, currency=currency, fill=fill,
        totals=BookTotals(ZERO, ZERO), cash_change=-signed * Decimal(price) - paid,
        cash_after=ZERO,
    )  # fmt: skip


def unbooked(told: Told, reason: Reason = Reason.BUSTED) -> Told:
    """A booked trade was taken out again."""
    tenant, booked = told
    assert isinstance(booked, TradeBooked)
    return tenant, TradeUnbooked(
        portfolio=booked.portfolio, instrument=booked.instrument, currency=booked.currency,
        fill=booked.fill, reason=reason, totals=BookTotals(ZERO, ZERO),
        cash_change=-booked.cash_change, cash_after=ZERO,
    )  # fmt: skip


def closed(
    number: int, closes: Mapping[str, str | Decimal] | None = None, *, calendar: str = NEW_YORK,
    suspect: Iterable[str] = (), ends_at: datetime | None = None,
) -> Told:  # fmt: skip
    """A session closed."""
    findings = dict.fromkeys(suspect, (Finding.FAR_FROM_PREVIOUS,))
    ends = ends_at or at(number, 21)
    return MARKET_TENANT, SessionClosed(
        calendar=calendar, session=day(number), starts_at=ends - timedelta(hours=6, minutes=30),
        ends_at=ends,
        closes=tuple(
            Close(instrument=name, price=Decimal(price), findings=findings.get(name, ()))
            for name, price in (closes or {}).items()
        ),
    )  # fmt: skip


def marked(moment: datetime, marks: Mapping[str, str | Decimal]) -> Told:
    """Marks came; a name such as `EUR/USD` is a rate."""
    pairs = {name: Decimal(price) for name, price in marks.items() if "/" in name}
    return MARKET_TENANT, MarketMarked(
        source="feed", at=moment,
        marks=tuple(Mark(n, Decimal(p)) for n, p in marks.items() if "/" not in n),
        rates=tuple(Rate(n[:3], n[4:], rate) for n, rate in pairs.items()),
    )  # fmt: skip


def written_down(instrument: str, price: str | Decimal, moment: datetime) -> Told:
    """An instrument was written down."""
    return MARKET_TENANT, WrittenDown(
        instrument=instrument, price=Decimal(price), at=moment, reason="bankruptcy"
    )


def corrected(
    number: int, instrument: str, price: str | Decimal | None, *, calendar: str = NEW_YORK,
    findings: tuple[Finding, ...] = (), following: FollowingClose | None = None,
    ends_at: datetime | None = None,
) -> Told:  # fmt: skip
    """A close was corrected, or without a price cancelled."""
    return MARKET_TENANT, CloseCorrected(
        calendar=calendar, session=day(number), ends_at=ends_at or at(number, 21),
        instrument=instrument, price=None if price is None else Decimal(price), replaces=None,
        reason="wrong print", findings=findings, following=following,
    )  # fmt: skip


def decoded(told: Sequence[Told]) -> list[Decoded]:
    """Give events the positions 1, 2, …."""
    return [
        Decoded(position, tenant, at(1), event, UUID(int=position))
        for position, (tenant, event) in enumerate(told, start=1)
    ]


class Folded:
    """The tables of one schema, and the fold that writes them."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str = "performance") -> None:
        self.connection = connection
        self.schema = schema
        make_tables(connection, MODEL, schema)
        self.fold = MODEL.new_fold(schema)

    def build(self, batches: Iterable[Sequence[Decoded]]) -> None:
        """Fold batches as a building does: what the fold may leave to the end, it leaves."""
        forget_form(self.connection, self.schema)
        with self.connection.transaction(), GatheringCursor(self.connection) as cursor:
            self.fold.defer(cursor)
        for batch in batches:
            self.take(batch)
        with self.connection.transaction(), GatheringCursor(self.connection) as cursor:
            self.fold.settle(cursor)

    def take(self, told: Sequence[Decoded]) -> None:
        """Fold one batch in one transaction."""
        with self.connection.transaction(), GatheringCursor(self.connection) as cursor:
            self.fold.fold(cursor, told)

    def restart(self) -> None:
        """Forget everything that is not in the tables."""
        self.fold = MODEL.new_fold(self.schema)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, in one order; numbers only nearly."""
        rows = self.select("SELECT to_jsonb(t) FROM {schema}.{table} AS t ORDER BY t::text", table)
        return [row[0] for row in rows]

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all compared tables, byte for byte as PostgreSQL writes them."""
        query = "SELECT t::text FROM {schema}.{table} AS t ORDER BY t::text"
        return {table: self.select(query, table) for table in MODEL.compared_tables}

    def days(self, columns: str, portfolio: str = BOOK) -> list[tuple[Any, ...]]:
        """Some columns of a portfolio's days, in order."""
        query = "SELECT portfolio, {columns} FROM {schema}.{table} ORDER BY portfolio, session"
        rows = self.select(query.replace("{columns}", columns), "days")
        return [row[1:] for row in rows if row[0] == portfolio]

    def select(self, query: str, table: str) -> list[tuple[Any, ...]]:
        """Run a query on one of the tables."""
        statement = query.format(schema=self.schema, table=table)
        return self.connection.execute(statement.encode()).fetchall()


def folded(connection: psycopg.Connection[Any], *told: Told) -> Folded:
    """Fold events, told in this order, in one batch."""
    tables = Folded(connection)
    tables.take(decoded(told))
    return tables
