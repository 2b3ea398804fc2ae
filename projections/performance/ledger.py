"""The ledger: every fill and flow of every portfolio, kept so that any day can be valued again.

A fill that is taken out again leaves no row.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from domain.bridge import Part
from domain.event import Event
from domain.lots import Fill, Side
from domain.money import canonical
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.events import CashDeposited, CashWithdrawn, TradeBooked, TradeUnbooked
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.portfolio.transfer_events import LotsTransferredOut
from projections.arrays import array_text
from projections.performance.acts import Acts
from projections.performance.facts import Execution, Facts, Flow
from projections.performance.moves import EntryEvent, Moves, change_and_flow
from projections.performance.state import Portfolio, Quote, universal
from projections.performance.tables import (
    FLOW_COLUMNS,
    copy_lines,
    moment,
    text,
)
from projections.rows import Tables

_FILLS_FROM = """
SELECT asked.number, fills.on_date, fills.at, fills.instrument, fills.quantity, fills.price,
    fills.currency, fills.cash, fills.book_order
FROM unnest(%s::text[], %s::text[], %s::date[]) WITH ORDINALITY
    AS asked (tenant, portfolio, earliest, number)
JOIN {schema}.fills ON fills.tenant = asked.tenant AND fills.portfolio = asked.portfolio
    AND fills.on_date >= asked.earliest
"""
_TAKE_OUT = """
DELETE FROM {schema}.fills USING
    unnest(%s::text[], %s::text[], %s::date[], %s::uuid[], %s::bigint[])
    AS gone (tenant, portfolio, on_date, trade_id, position)
WHERE fills.tenant = gone.tenant AND fills.portfolio = gone.portfolio
    AND fills.on_date = gone.on_date AND fills.trade_id = gone.trade_id
    AND fills.position < gone.position
"""
_FLOWS_FROM = """
SELECT asked.number, flows.on_date, flows.at, flows.currency, flows.amount, flows.part
FROM unnest(%s::text[], %s::text[], %s::date[]) WITH ORDINALITY
    AS asked (tenant, portfolio, earliest, number)
JOIN {schema}.flows ON flows.tenant = asked.tenant AND flows.portfolio = asked.portfolio
    AND flows.on_date >= asked.earliest
"""
_LAST_EXECUTED = """
SELECT asked.number, found.on_date, found.at, found.instrument, found.quantity, found.price,
    found.currency, found.cash, found.book_order
FROM unnest(%s::text[], %s::text[], %s::text[], %s::date[]) WITH ORDINALITY
    AS asked (tenant, portfolio, instrument, latest, number)
CROSS JOIN LATERAL (
    SELECT fills.* FROM {schema}.fills
    WHERE fills.tenant = asked.tenant AND fills.portfolio = asked.portfolio
        AND fills.instrument = asked.instrument AND fills.on_date <= asked.latest
    ORDER BY fills.on_date DESC, fills.book_order DESC LIMIT 1
) AS found
"""


_FIRST_FACTS = """
SELECT asked.number,
    (SELECT min(fills.on_date) FROM {schema}.fills
     WHERE fills.tenant = asked.tenant AND fills.portfolio = asked.portfolio),
    (SELECT min(flows.on_date) FROM {schema}.flows WHERE flows.tenant = asked.tenant
        AND flows.portfolio = asked.portfolio AND flows.at IS NULL),
    (SELECT min(flows.at) FROM {schema}.flows
     WHERE flows.tenant = asked.tenant AND flows.portfolio = asked.portfolio)
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS asked (tenant, portfolio, number)
"""

_FACTS = ("fills", "flows")
_BUY = Side.BUY  # Python 3.11 looks a member up ten times slower than a name.

CashMove = CashDeposited | CashWithdrawn | FeeCharged | InterestBooked | CashExchanged
_PARTS: dict[type[Event], tuple[Part, int]] = {
    CashDeposited: (Part.EXTERNAL_FLOWS, 1),
    CashWithdrawn: (Part.EXTERNAL_FLOWS, -1),
    FeeCharged: (Part.MANAGEMENT_FEES, -1),
    InterestBooked: (Part.INTEREST, 1),
}


class FillRow(msgspec.Struct, frozen=True, gc=False):
    """A booked trade; `quantity` and `cash` are signed, `book_order` sorts bytewise.

    `closes` is the text of an array of ids.
    """

    tenant: str
    portfolio: str
    on_date: date
    position: int
    at: datetime | None
    instrument: str
    quantity: Decimal
    price: Decimal
    currency: str
    cash: Decimal
    book_order: str
    trade_id: UUID
    fee: Decimal
    rate_to_base: Decimal | None
    closes: str


class Asked(NamedTuple):
    """An instrument of a portfolio whose last execution up to a date is asked for."""

    portfolio: Portfolio
    instrument: str
    latest: date


class Ledger:
    """The facts of one schema; those not yet written are rows, and lines for COPY."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self.acts = Acts(schema)
        self.moves = Moves(schema)
        self._tables = Tables(schema)
        self._fills: list[FillRow] = []
        self._flows: list[str] = []
        self._taken_out: list[tuple[str, str, date, UUID, int]] = []

    def leave_keys(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave the keys of empty tables unmade until a fact is looked for, or `make_keys`."""
        self._tables.leave_keys(cursor, *_FACTS)

    def make_keys(self, cursor: psycopg.Cursor[Any]) -> None:
        """Make the keys that were left."""
        self._tables.make_keys(cursor)

    def add_fill(self, tenant: str, event: TradeBooked, quantity: Decimal, position: int) -> None:
        """Take a booked trade of a signed quantity."""
        fill, rate = event.fill, event.rate_to_base
        self._fills.append(
            FillRow(
                tenant,
                event.portfolio,
                fill.trade_date,
                position,
                None if fill.executed_at is None else universal(fill.executed_at),
                event.instrument,
                quantity,
                fill.price,
                event.currency,
                event.cash_change,
                book_order(fill),
                fill.trade_id,
                fill.fee,
                None if rate is None else canonical(rate),
                array_text(fill.closes),
            )
        )

    def take_out_fill(self, tenant: str, event: TradeUnbooked, position: int) -> None:
        """Take a booked trade out again; one booked anew behind `position` stays."""
        fill = event.fill
        gone = (tenant, event.portfolio, fill.trade_date, fill.trade_id, position)
        self._taken_out.append(gone)

    def add_flows(self, tenant: str, event: CashMove, flows: Iterable[Flow], position: int) -> None:
        """Take what an event moved; what has a time of day stands on that moment's UTC date."""
        self._flows += [
            f"{text(tenant)}\t{text(event.portfolio)}\t{moment(flow_date(event))}\t{position}\t"
            f"{leg}\t{moment(flow.at)}\t{text(flow.currency)}\t{flow.amount!s}\t{flow.part}\n"
            for leg, flow in enumerate(flows)
        ]

    def add_entry(self, tenant: str, event: EntryEvent, position: int) -> Facts | None:
        """Take an entry of a book; give what it changed, if anything but lots."""
        if isinstance(event, LotsTransferredOut) and event.is_restated:
            return None  # Which lots left is no matter of value.
        self.moves.add(tenant, event, position)
        if isinstance(event, CostBasisApplied):
            return None
        facts = Facts()
        change, flow = change_and_flow(event)
        facts.add_action(change)
        facts.add_flow(flow)
        self.acts.add_change(tenant, event.portfolio, change, position)
        self._flows.append(
            f"{text(tenant)}\t{text(event.portfolio)}\t{moment(change.on_date)}\t{position}\t"
            f"0\t{moment(None)}\t{text(flow.currency)}\t{flow.amount}\t{flow.part}\n"
        )
        return facts

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the facts that came since the last time."""
        if self._fills:
            self._tables.insert(cursor, "fills", self._fills)
            self._fills = []
        if self._flows:
            copy_lines(cursor, f"{self._schema}.flows", FLOW_COLUMNS, self._flows)
            self._flows = []
        self.acts.flush(cursor)
        self.moves.flush(cursor)
        if self._taken_out:
            self._tables.require_keys(cursor, "fills")
            gone = [list(column) for column in zip(*self._taken_out, strict=True)]
            cursor.execute(_TAKE_OUT.format(schema=self._schema).encode(), gone)
            self._taken_out = []

    def _flush_to_read(self, cursor: psycopg.Cursor[Any]) -> None:
        self.flush(cursor)
        for table in _FACTS:
            self._tables.require_keys(cursor, table)

    def facts_from(
        self, cursor: psycopg.Cursor[Any], asked: Sequence[tuple[Portfolio, int]]
    ) -> list[dict[int, Facts]]:
        """Load facts by session index, for each portfolio from a session on.

        Sessions that have not closed are left out.
        """
        self._flush_to_read(cursor)
        found: list[dict[int, Facts]] = [{} for _ in asked]
        parameters = (
            [portfolio.tenant for portfolio, _ in asked],
            [portfolio.name for portfolio, _ in asked],
            [portfolio.calendar.earliest_date(first) for portfolio, first in asked],
        )
        cursor.execute(_FILLS_FROM.format(schema=self._schema).encode(), parameters)
        for ordinal, *columns in cursor:
            portfolio, first = asked[ordinal - 1]
            execution = Execution(*columns)
            index = portfolio.calendar.of_date(execution.on_date)
            if first <= index < len(portfolio.calendar):
                found[ordinal - 1].setdefault(index, Facts()).add_execution(execution)
        cursor.execute(_FLOWS_FROM.format(schema=self._schema).encode(), parameters)
        for ordinal, on_date, *columns in cursor:
            portfolio, first = asked[ordinal - 1]
            flow = Flow(*columns)
            index = portfolio.calendar.of_flow(flow.at, on_date)
            if first <= index < len(portfolio.calendar):
                found[ordinal - 1].setdefault(index, Facts()).add_flow(flow)
        for place, change in self.acts.changes_from(cursor, parameters[:2], parameters[2]):
            portfolio, first = asked[place]
            index = portfolio.calendar.of_date(change.on_date)
            if first <= index < len(portfolio.calendar):
                found[place].setdefault(index, Facts()).add_action(change)
        return found

    def first_sessions(
        self, cursor: psycopg.Cursor[Any], portfolios: Sequence[Portfolio]
    ) -> list[int | None]:
        """Find the closed session with which each portfolio's facts begin; None without any."""
        self._flush_to_read(cursor)
        parameters = (
            [portfolio.tenant for portfolio in portfolios],
            [portfolio.name for portfolio in portfolios],
        )
        cursor.execute(_FIRST_FACTS.format(schema=self._schema).encode(), parameters)
        found: list[int | None] = [None] * len(portfolios)
        for ordinal, traded, flowed, flowed_at in cursor:
            calendar = portfolios[ordinal - 1].calendar
            firsts = [calendar.of_date(day) for day in (traded, flowed) if day is not None]
            if flowed_at is not None:
                firsts.append(calendar.of_moment(flowed_at))
            first = min(firsts, default=len(calendar))
            found[ordinal - 1] = first if first < len(calendar) else None
        return found

    def last_executed(
        self, cursor: psycopg.Cursor[Any], asked: Sequence[Asked]
    ) -> list[Quote | None]:
        """Find the last executed price, in book order, of each portfolio's instrument."""
        self._flush_to_read(cursor)
        parameters = (
            [each.portfolio.tenant for each in asked],
            [each.portfolio.name for each in asked],
            [each.instrument for each in asked],
            [each.latest for each in asked],
        )
        cursor.execute(_LAST_EXECUTED.format(schema=self._schema).encode(), parameters)
        found: list[Quote | None] = [None] * len(asked)
        for ordinal, *columns in cursor:
            execution = Execution(*columns)
            calendar = asked[ordinal - 1].portfolio.calendar
            started, on = calendar.started(execution), execution.on_date
            found[ordinal - 1] = Quote(started, execution.price, on=on, is_own=True)
        return found


def load_waiting(
    cursor: psycopg.Cursor[Any], schema: str, ledger: Ledger, portfolios: Iterable[Portfolio]
) -> None:
    """Load the facts that no session has taken yet, and the moments at which cash flowed."""
    listed = list(portfolios)
    parameters = (
        [portfolio.tenant for portfolio in listed],
        [portfolio.name for portfolio in listed],
        [portfolio.calendar.earliest_date(len(portfolio.calendar)) for portfolio in listed],
    )
    cursor.execute(_FILLS_FROM.format(schema=schema).encode(), parameters)
    for ordinal, *columns in cursor:
        portfolio = listed[ordinal - 1]
        execution = Execution(*columns)
        if portfolio.calendar.of_date(execution.on_date) == len(portfolio.calendar):
            portfolio.waiting_on(execution.on_date).add_change(
                execution.instrument, execution.quantity, execution.currency, execution.cash
            )
    for place, change in ledger.acts.changes_from(cursor, parameters[:2], parameters[2]):
        portfolio = listed[place]
        if portfolio.calendar.of_date(change.on_date) == len(portfolio.calendar):
            portfolio.waiting_on(change.on_date).add_action(change)
    parameters = (*parameters[:2], [date.min for _ in listed])
    cursor.execute(_FLOWS_FROM.format(schema=schema).encode(), parameters)
    for ordinal, on_date, *columns in cursor:
        portfolio, flow = listed[ordinal - 1], Flow(*columns)
        is_waiting = portfolio.calendar.of_flow(flow.at, on_date) == len(portfolio.calendar)
        if is_waiting and flow.at is None:
            portfolio.waiting_on(on_date).add_flow(flow)
        elif is_waiting:
            portfolio.waiting_timed.append(flow)
        elif flow.at is not None:
            portfolio.flow_moments.append(flow.at)
    for portfolio in listed:
        portfolio.flow_moments.sort()


def signed_quantity(fill: Fill) -> Decimal:
    """Give a fill's quantity, negative for a sale."""
    return fill.quantity if fill.side is _BUY else -fill.quantity


def flows_of(event: CashMove) -> list[Flow]:
    """Give what an event moved, signed, in the order of its legs; a fee of any kind manages."""
    at = None if event.at is None else universal(event.at)
    if isinstance(event, CashExchanged):
        moved = [(Part.FX_ON_CASH, event.sold, -1), (Part.FX_ON_CASH, event.bought, 1)]
        if event.fee is not None:
            moved.append((Part.TRADING_FEES, event.fee, -1))
    else:
        part, sign = _PARTS[type(event)]
        moved = [(part, event.amount, sign)]
    return [Flow(at, money.currency, sign * money.amount, part) for part, money, sign in moved]


def flow_date(event: CashMove) -> date:
    """Give the date a flow is kept under: its value date, or the UTC date of its moment."""
    if event.at is not None:
        return universal(event.at).date()
    return event.counts_from if isinstance(event, CashExchanged) else event.value_date


def book_order(fill: Fill) -> str:
    """Write a fill's place in book order as a text that sorts bytewise as the key does.

    Names hold no character below "!", so a space ends each part and sorts before any longer name.
    """
    executed = "" if fill.executed_at is None else _sortable(fill.executed_at)
    sequence = "1" if fill.source_sequence is None else f"0{fill.source_sequence + 2**63:020d}"
    side = "0" if fill.side is _BUY else "1"
    day = msgspec.to_builtins(fill.trade_date)
    return f"{day} {executed} {fill.source} {sequence} {side} {fill.external_id}"


def _sortable(at: datetime) -> str:
    """Write it as `isoformat` does with microseconds, which takes many times as long."""
    written: str = msgspec.to_builtins(universal(at))
    return written[:-1] + ("+00:00" if at.microsecond else ".000000+00:00")
