"""A naive model of `performance`: everything computed again from the list of all facts.

Independent of the code under test: exact fractions, plain loops, no state kept. Slow on purpose.
"""

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeAlias

from domain.corporate_actions import Action, Split, StockDividend
from domain.event import Event
from domain.lots import Side
from domain.market import SessionClosed
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from tests.projections.performance.naive_market import Market, multiple, rounded

Row = dict[str, Any]
RowKey = tuple[str, str, date]

FlowEvent: TypeAlias = CashDeposited | CashWithdrawn
FLOWS = (CashDeposited, CashWithdrawn)
CASH = (*FLOWS, FeeCharged, InterestBooked, CashExchanged)
ACTS = (CorporateActionApplied, CorporateActionUnapplied, LotsSpunOff)


class Naive(Market):
    """What is known after some events."""

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
        elif isinstance(event, ACTS):
            if session.session >= event.terms.action.ex_date:
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
            elif isinstance(each, (TradeBooked, *CASH, *ACTS)):
                mine.append(each)
        self.facts = [(session_of(self.sessions, each), each) for each in mine]
        self.facts = [(index, each) for index, each in self.facts if index < len(self.sessions)]
        self.acts = [(index, each) for index, each in self.facts if isinstance(each, ACTS)]
        self.facts = [each for each in self.facts if each not in self.acts]
        applied: set[tuple[str, str]] = set()
        for each in mine:
            if isinstance(each, CorporateActionApplied | CorporateActionUnapplied):
                is_in = isinstance(each, CorporateActionApplied)
                (applied.add if is_in else applied.discard)(name_of(each.terms.action))
        self.lacked = sorted(
            (split.ex_date, *name) for name, split in market.splits.items() if name not in applied
        )

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

    def _act(self, index: int, held: dict[str, Fraction], cash: dict[str, Fraction]) -> None:
        """What takes effect as a session starts: splits the books lack, what events told."""
        due: list[tuple[tuple[date, str, str], Any]] = [
            (lacked, None)
            for lacked in self.lacked
            if index
            == next((i for i, s in enumerate(self.sessions) if s.session >= lacked[0]), None)
        ]
        for i, event in self.acts:
            action = event.terms.action
            is_split = isinstance(action, Split | StockDividend)
            if i == index and not (is_split and name_of(action) not in self.market.splits):
                due.append(((action.ex_date, *name_of(action)), event))
        came: dict[str, date] = {}  # By an action: what comes on a split's ex-date has its units.
        for (on, name, lacked), event in sorted(due, key=lambda each: each[0]):
            if event is not None:
                if not held.get(event.instrument):
                    came[event.instrument] = on
                self._take(event, held, cash)
            elif name in held and came.get(name) != on:
                exact = held[name] * multiple(self.market.splits[name, lacked])
                held[name] = Fraction(rounded(exact, 12))

    def _take(self, event: Any, held: dict[str, Fraction], cash: dict[str, Fraction]) -> None:  # noqa: ANN401
        """What an event told of an action."""
        add_to(held, event.instrument, Fraction(event.quantity_change))
        add_to(cash, event.currency, Fraction(event.cash_change))
        if event.terms.cash_dividend is not None and not isinstance(event, LotsSpunOff):
            due = Fraction(event.gross_change) - Fraction(event.withheld_change)
            add_to(cash, event.terms.cash_dividend.currency, due)

    def value(
        self, facts: list[tuple[int, Any]], at: datetime, fresh: datetime, session: int
    ) -> Row:
        """Value what facts, up to those of a session, leave at a moment."""
        held: dict[str, Fraction] = {}
        cash: dict[str, Fraction] = {}
        trades: dict[str, list[TradeBooked]] = {}
        on = self.sessions[session].session
        currencies = {each.instrument: each.currency for _, each in self.acts}
        for index in range(session + 1):
            self._act(index, held, cash)
            for event in [each for i, each in facts if i == index]:
                if isinstance(event, TradeBooked):
                    sign = -1 if event.fill.side is Side.SELL else 1
                    add_to(held, event.instrument, sign * Fraction(event.fill.quantity))
                    add_to(cash, event.currency, Fraction(event.cash_change))
                    trades.setdefault(event.instrument, []).append(event)
                    currencies[event.instrument] = event.currency
                else:
                    for currency, amount in moved(event):
                        add_to(cash, currency, amount)
        is_empty = not any(held.values()) and not any(cash.values())
        stale, by_trade, unpriced = [], [], []
        for name, quantity in held.items():
            if not quantity:
                continue
            found = self.market.price(name, at)
            if found is None and name not in trades:
                unpriced.append(name)
                continue
            if found is not None:
                told_on, is_own = self.market.marked_on(name, at), False
            else:
                last = max(trades[name], key=lambda each: each.fill.key).fill
                by_trade.append(name)
                begun = next(s for s in self.sessions if s.session >= last.trade_date)
                found = (last.executed_at or begun.starts_at, Fraction(last.price))
                told_on, is_own = last.trade_date, True
            if found[0] < fresh and not self.market.is_written_down(name, at):
                stale.append(name)
            factor = self.market.factor(name, told_on, on, is_own=is_own)
            amount = quantity * found[1] * factor
            add_to(cash, currencies[name], Fraction(amount if factor == 1 else rounded(amount, 12)))
        priced = Fraction(0)
        for currency, amount in cash.items():
            if not amount:
                continue
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
        row = self.value(known, session.ends_at, session.starts_at, index)
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
        return self.value(counted, at, at, index)


def name_of(action: Action) -> tuple[str, str]:
    """What names an action."""
    return action.instrument, action.action


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
