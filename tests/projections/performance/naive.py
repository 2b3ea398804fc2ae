"""A naive model of `performance`: everything computed again from the list of all facts.

Independent of the code under test: exact fractions, plain loops, no state kept. Slow on purpose.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from domain.event import Event
from domain.instrument import WrittenDown
from domain.lots import Side
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked

Told = tuple[str, Event]
Row = dict[str, Any]
RowKey = tuple[str, str, date]

FlowEvent: TypeAlias = CashDeposited | CashWithdrawn
FLOWS = (CashDeposited, CashWithdrawn)
CASH = (*FLOWS, FeeCharged, InterestBooked, CashExchanged)


class MarkRow(NamedTuple):
    """A mark as it stands: where it is in time and in the log, and which close it is, if one."""

    name: str
    at: datetime
    position: int
    price: Decimal | None
    close: tuple[str, date] | None
    is_written_down: bool = False


def rounded(value: Fraction, places: int) -> Decimal:
    """Round half-even to decimal places, exactly."""
    scaled = round(value * 10**places)
    return Decimal(scaled).scaleb(-places).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


class Naive:
    """What is known after some events."""

    def __init__(self, told: Sequence[Told]) -> None:
        self.told = told
        self.sessions: dict[str, list[SessionClosed]] = {}
        self.marks: list[MarkRow] = []
        for position, (_, event) in enumerate(told, start=1):
            if isinstance(event, MarketMarked):
                for mark in event.marks:
                    self._mark(mark.instrument, event.at, position, mark.price)
                for rate in event.rates:
                    self._mark(f"{rate.base}/{rate.quote}", event.at, position, rate.rate)
            elif isinstance(event, SessionClosed):
                self.sessions.setdefault(event.calendar, []).append(event)
                for close in event.closes:
                    key = (event.calendar, event.session)
                    self._mark(close.instrument, event.ends_at, position, close.price, key)
            elif isinstance(event, CloseCorrected):
                key = (event.calendar, event.session)
                name = event.instrument
                self.marks = [m for m in self.marks if (m.name, m.close) != (name, key)]
                self._mark(name, event.ends_at, position, event.price, key)
            elif isinstance(event, WrittenDown):
                row = MarkRow(event.instrument, event.at, position, event.price, None, True)
                self.marks.append(row)

    def _mark(
        self, name: str, at: datetime, position: int, price: Decimal | None,
        close: tuple[str, date] | None = None,
    ) -> None:  # fmt: skip
        self.marks.append(MarkRow(name, at, position, price, close))

    def is_written_down(self, name: str, at: datetime) -> bool:
        """Whether the price in force is a write-down."""
        found = self._in_force(name, at)
        return found is not None and found.is_written_down

    def price(self, name: str, at: datetime) -> tuple[datetime, Fraction] | None:
        """The price in force."""
        best = self._in_force(name, at)
        if best is None:
            return None
        assert best.price is not None
        return best.at, Fraction(best.price)

    def _in_force(self, name: str, at: datetime) -> MarkRow | None:
        found = [m for m in self.marks if m.name == name and m.at <= at and m.price is not None]
        return max(found, key=lambda m: (m.at, m.position), default=None)

    def rows(self) -> dict[RowKey, Row]:
        """Every current row."""
        made: dict[RowKey, Row] = {}
        for tenant, event in self.told:
            if isinstance(event, PortfolioOpened):
                book = NaiveBook(self, tenant, event)
                for session, row in book.rows():
                    made[tenant, event.portfolio, session] = row
        return made


def session_of(sessions: list[SessionClosed], event: Event) -> int:
    """The index of the first session a fact belongs to; their number if it waits."""
    for index, session in enumerate(sessions):
        if isinstance(event, TradeBooked | TradeUnbooked):
            if session.session >= event.fill.trade_date:
                return index
        elif isinstance(event, CASH):
            if event.at is not None and session.ends_at > event.at:
                return index
            if event.at is None and session.session >= event.value_date:
                return index
    return len(sessions)


class NaiveBook:
    """One portfolio, valued from nothing at each session."""

    def __init__(self, market: Naive, tenant: str, event: PortfolioOpened) -> None:
        self.market = market
        self.base = event.base_currency
        self.sessions = market.sessions.get(event.calendar, [])
        mine: list[Any] = []
        for owner, each in market.told:
            if owner != tenant or getattr(each, "portfolio", None) != event.portfolio:
                continue
            if isinstance(each, TradeUnbooked):
                gone = each.fill
                mine = [e for e in mine if not isinstance(e, TradeBooked) or e.fill != gone]
            elif isinstance(each, (TradeBooked, *CASH)):
                mine.append(each)
        self.facts = [(session_of(self.sessions, each), each) for each in mine]
        self.facts = [(index, each) for index, each in self.facts if index < len(self.sessions)]

    def rows(self) -> list[tuple[date, Row]]:
        """The rows of the sessions from the first fact on."""
        if not self.facts:
            return []
        self.first = min(index for index, _ in self.facts)
        self.start, self.emptied = Fraction(0), True
        self.since: date | None = None
        self.pending: list[tuple[int, FlowEvent]] = []
        return [
            (self.sessions[index].session, self._row(index))
            for index in range(self.first, len(self.sessions))
        ]

    def rate(self, currency: str, at: datetime) -> tuple[datetime, Fraction] | None:
        """Units of base for one of a currency, and since when: its own marks, else a cross."""
        found = [self._leg(currency, self.base, at)]
        for pivot in ("EUR", "USD"):
            if pivot not in (currency, self.base):
                legs = self._leg(currency, pivot, at), self._leg(pivot, self.base, at)
                if legs[0] and legs[1]:
                    found.append((min(legs[0][0], legs[1][0]), legs[0][1] * legs[1][1]))
        known = [each for each in found if each]
        fresh = [each for each in known if each[0] >= at - timedelta(days=4)]
        best = next(iter(fresh + known), None)
        return best and (best[0], Fraction(rounded(best[1], 18)))

    def _leg(self, one: str, other: str, at: datetime) -> tuple[datetime, Fraction] | None:
        direct = self.market.price(f"{one}/{other}", at)
        inverse = self.market.price(f"{other}/{one}", at)
        if direct and (not inverse or inverse[0] <= direct[0]):
            return direct
        return (inverse[0], 1 / inverse[1]) if inverse else None

    def amount_in_base(self, amount: Fraction, currency: str, at: datetime) -> Fraction | None:
        """Convert exactly, at a rate that was rounded once."""
        if currency == self.base or not amount:
            return amount
        rate = self.rate(currency, at)
        return None if rate is None else amount * rate[1]

    def value(self, facts: list[tuple[int, Any]], at: datetime, fresh: datetime) -> Row:
        """Value what facts leave at a moment."""
        held: dict[str, Fraction] = {}
        cash: dict[str, Fraction] = {}
        trades: dict[str, list[TradeBooked]] = {}
        for _, event in facts:
            if isinstance(event, TradeBooked):
                sign = -1 if event.fill.side is Side.SELL else 1
                name = event.instrument
                held[name] = held.get(name, Fraction(0)) + sign * Fraction(event.fill.quantity)
                add_to(cash, event.currency, Fraction(event.cash_change))
                trades.setdefault(name, []).append(event)
            else:
                for currency, amount in moved(event):
                    add_to(cash, currency, amount)
        is_empty = not any(held.values()) and not any(cash.values())
        stale, by_trade, unpriced = [], [], []
        for name, quantity in held.items():
            if not quantity:
                continue
            found = self.market.price(name, at)
            if found is None:
                last = max(trades[name], key=lambda each: each.fill.key).fill
                by_trade.append(name)
                begun = next(s for s in self.sessions if s.session >= last.trade_date)
                found = (last.executed_at or begun.starts_at, Fraction(last.price))
            if found[0] < fresh and not self.market.is_written_down(name, at):
                stale.append(name)
            add_to(cash, trades[name][0].currency, quantity * found[1])
        priced = Fraction(0)
        for currency, amount in cash.items():
            converted = self.amount_in_base(amount, currency, at)
            if converted is None:
                unpriced.append(f"FX:{currency}/{self.base}")
                continue
            priced += converted
            rate = self.rate(currency, at)
            if currency != self.base and rate and rate[0] < at - timedelta(days=4):
                stale.append(f"FX:{currency}/{self.base}")
        return {
            "nav": None if unpriced else priced, "priced": priced, "unpriced": sorted(unpriced),
            "stale": sorted(stale), "priced_by_trade": sorted(by_trade), "is_empty": is_empty,
        }  # fmt: skip

    def _row(self, index: int) -> Row:
        session = self.sessions[index]
        known = [(i, each) for i, each in self.facts if i <= index]
        row = self.value(known, session.ends_at, session.starts_at)
        flows = [(i, each) for i, each in known if i == index and isinstance(each, FLOWS)]
        valued, has_unvalued = self._valued(flows, index)
        row["flows"] = None if has_unvalued else sum((a for _, a in valued), Fraction(0))
        row["nav_status"] = "incomplete" if row["nav"] is None else "complete"
        row["return_from"] = self.since
        self.pending += flows
        if row["nav"] is None:
            row |= {"daily_return": None, "return_reason": "nav_incomplete", "return_method": None}
            row["is_emptied"] = self.emptied
            return row
        last = self.sessions[index - 1].session if index > self.first else None
        self._return(row, index, is_gap=self.since != last)
        self.start, self.since, self.pending = row["nav"], session.session, []
        row["is_emptied"] = self.emptied
        return row

    def _moment_of_rate(
        self, index: int, event: FlowEvent, now: int
    ) -> tuple[int, datetime | None, datetime] | None:
        """When a flow is converted: at its moment, its session's end, or the first end after."""
        currency = event.amount.currency
        if event.at is not None and self._has_rate(currency, event.at):
            return index, event.at, event.at
        for later in range(index, now + 1):
            ends_at = self.sessions[later].ends_at
            if self._has_rate(currency, ends_at):
                return later, event.at if later == index else None, ends_at
        return None

    def _has_rate(self, currency: str, at: datetime) -> bool:
        return currency == self.base or self.rate(currency, at) is not None

    def _valued(
        self, flows: list[tuple[int, FlowEvent]], now: int
    ) -> tuple[list[tuple[datetime | None, Fraction]], bool]:
        """Flows in base, those of one moment, currency and direction together; any without rate."""
        sums: dict[Any, Fraction] = {}
        has_unvalued = False
        for index, event in flows:
            found = self._moment_of_rate(index, event, now)
            if found is None:
                has_unvalued = True
                continue
            key = (*found, event.amount.currency, signed(event) > 0)
            sums[key] = sums.get(key, Fraction(0)) + signed(event)
        valued: list[tuple[datetime | None, Fraction]] = []
        for (_, moment, at, currency, _), amount in sums.items():
            converted = self.amount_in_base(amount, currency, at)
            assert converted is not None
            valued.append((moment, converted))
        return valued, has_unvalued

    def _return(self, row: Row, index: int, *, is_gap: bool) -> None:
        valued, has_unvalued = self._valued(self.pending, index)
        row["return_method"] = "true"
        timed = sorted({at for at, _ in valued if at is not None} if not is_gap else set())
        before = {at: self._before(index, at) for at in timed}
        if any(value["nav"] is None for value in before.values()):
            timed = []
        into = sum((a for at, a in valued if a > 0 and at not in timed), Fraction(0))
        out = -sum((a for at, a in valued if a < 0 and at not in timed), Fraction(0))
        if into or out:
            row["return_method"] = "daily_in_start_out_end"
        steps = [
            (before[at]["nav"], before[at]["is_empty"],
             sum((a for moment, a in valued if moment == at), Fraction(0)))
            for at in timed
        ]  # fmt: skip
        steps.append((row["nav"] + out, row["is_empty"] and not out, -out))
        product: Fraction | None = Fraction(1)
        start = self.start + into
        emptied = self.emptied and start == 0
        for value, is_empty, amount in steps:
            rests = emptied and value == 0 and is_empty
            if not rests:
                if start <= 0 or product is None:
                    product = None
                else:
                    product *= max(value, Fraction(0)) / start
            start = value + amount
            emptied = start == 0 and ((amount < 0 < value) or (rests and amount == 0))
        self.emptied = emptied
        row["return_reason"] = None
        row["daily_return"] = None if product is None else rounded(product - 1, 18)
        if product is None:
            row["return_reason"] = "start_value_not_positive"
        if has_unvalued:
            row["daily_return"], row["return_reason"] = None, "flow_without_rate"

    def _before(self, index: int, at: datetime) -> Row:
        """The value just before a moment of a session."""
        counted = []
        for i, event in self.facts:
            if isinstance(event, TradeBooked):
                made = event.fill.executed_at
                is_before = made is not None and made < at
            else:
                is_before = isinstance(event, FLOWS) and signed(event) > 0
                if event.at is not None:
                    is_before = event.at < at
            if i < index or (i == index and is_before):
                counted.append((i, event))
        return self.value(counted, at, at)


def add_to(sums: dict[str, Fraction], name: str, amount: Fraction) -> None:
    """Add to a sum."""
    sums[name] = sums.get(name, Fraction(0)) + amount


def moved(event: Any) -> list[tuple[str, Fraction]]:  # noqa: ANN401 - any of CASH
    """What an event did to cash, currency by currency."""
    if isinstance(event, CashExchanged):
        fee = [] if event.fee is None else [(event.fee.currency, -Fraction(event.fee.amount))]
        sold, bought = Fraction(event.sold.amount), Fraction(event.bought.amount)
        return [(event.sold.currency, -sold), (event.bought.currency, bought), *fee]
    amount = Fraction(event.amount.amount)
    is_out = isinstance(event, CashWithdrawn | FeeCharged)
    return [(event.amount.currency, -amount if is_out else amount)]


def signed(event: FlowEvent) -> Fraction:
    """A flow's amount, negative when it went out."""
    amount = Fraction(event.amount.amount)
    return amount if isinstance(event, CashDeposited) else -amount


COMPARED = (
    "nav", "nav_status", "priced", "unpriced", "stale", "priced_by_trade", "flows",
    "daily_return", "return_reason", "return_method", "return_from", "is_emptied",
)  # fmt: skip


def shown(row: Row) -> Row:
    """The columns of a row that are compared; numbers as fractions."""
    made = {name: row[name] for name in COMPARED}
    numbers = ("nav", "priced", "flows", "daily_return")
    return made | {n: None if made[n] is None else Fraction(made[n]) for n in numbers}
