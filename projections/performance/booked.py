"""What history reads of the tables: fills as they were booked, flows, write-downs, sessions."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.bridge import Traded
from domain.lots import Fill, Matching, Side
from projections.performance.state import Quote

PORTFOLIO = """
base_currency, cost_basis, calendar, first_session, checkpoint.log_id, checkpoint.edition
FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s
"""
FILLS = """
trade_id, on_date, at, instrument, quantity, price, currency, cash, fee, rate_to_base, book_order,
    closes, position
FROM {schema}.fills WHERE tenant = %s AND portfolio = %s AND on_date <= %s
ORDER BY book_order LIMIT %s
"""
FLOWS = """
on_date, position, at, currency, amount, part FROM {schema}.flows
WHERE tenant = %s AND portfolio = %s
    AND CASE WHEN at IS NULL THEN on_date <= %s ELSE at < %s END
ORDER BY on_date, position, leg LIMIT %s
"""
WRITE_DOWNS = """
marks.at, marks.name, marks.price, marks.position AS told_at, before.at AS before_at,
    before.price AS before_price, before.session AS before_session
FROM {schema}.marks LEFT JOIN LATERAL (
    SELECT earlier.at, earlier.price, earlier.session FROM {schema}.marks AS earlier
    WHERE earlier.name = marks.name AND earlier.price IS NOT NULL
        AND (earlier.at, earlier.position) < (marks.at, marks.position)
    ORDER BY earlier.at DESC, earlier.position DESC LIMIT 1
) AS before ON true
WHERE marks.status = 'written_down' AND marks.name = ANY(%s)
"""


class Execution(NamedTuple):
    """A fill as it was booked; quantity signed, cash with the fee in it."""

    trade_id: UUID
    on_date: date
    at: datetime | None
    instrument: str
    quantity: Decimal
    price: Decimal
    currency: str
    cash: Decimal
    fee: Decimal
    rate_to_base: Decimal | None
    book_order: str
    closes: list[UUID]
    position: int

    @property
    def quote(self) -> Quote:
        """Its price."""
        return Quote(self.moment, self.price, on=self.on_date, is_own=True)

    @property
    def moment(self) -> datetime:
        """Its time; without a time of day, the end of its date, as the desk has it."""
        if self.at is not None:
            return self.at
        return datetime.combine(self.on_date + timedelta(days=1), time.min, UTC)

    def traded(self, matching: Matching, rate: Decimal) -> Traded:
        """Give what a bridge needs: what it did to lots and cash, and its rate."""
        return Traded(
            self.instrument, self.currency, matching, self.fee, self.cash, rate, self.position
        )

    def fill(self) -> Fill:
        """Give what matching needs; its place in book order is that of the rows."""
        return Fill(
            trade_id=self.trade_id,
            source="",
            external_id=self.book_order,
            side=Side.BUY if self.quantity > 0 else Side.SELL,
            quantity=abs(self.quantity),
            price=self.price,
            consideration=abs(self.cash + self.fee),
            fee=self.fee,
            trade_date=self.on_date,
            closes=tuple(self.closes),
        )


class Fall(NamedTuple):
    """A write-down: what a price was before, and what it is."""

    at: datetime
    name: str
    before: Quote
    after: Quote
    position: int
