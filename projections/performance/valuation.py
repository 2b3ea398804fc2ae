"""Valuing a portfolio at a moment, and a session with its return (conventions 5 and 11).

Pure: quotes are handed in. A position without a mark takes its own last executed price; with
neither, or without a rate to base, the NAV is incomplete and says what is missing. Quantity x price
and a direct rate are exact; an inverse rate divides once, rounded half-even to 12 decimals.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from domain.money import ONE, ZERO, canonical, share
from domain.returns import Chain, TimedFlow, Valuation, daily_return
from projections.performance.state import (
    Carried,
    Execution,
    Facts,
    Flow,
    Holdings,
    Quote,
    Session,
)

COMPLETE = "complete"
INCOMPLETE = "incomplete"
RATE_STALE_AFTER = timedelta(days=4)

Quotes = Mapping[str, Quote | None]
Executed = Callable[[str], Quote | None]


class Subject(Protocol):
    """What valuing needs to know of a portfolio."""

    @property
    def base_currency(self) -> str:
        """The currency of its NAV."""

    @property
    def instruments(self) -> Mapping[str, str]:
        """The currency of each instrument it ever held."""


class Value(NamedTuple):
    """A value at a moment, with what it is made of and what is missing."""

    nav: Decimal | None
    priced: Decimal
    unpriced: tuple[str, ...]
    stale: tuple[str, ...]
    priced_by_trade: tuple[str, ...]


class Current(NamedTuple):
    """What is known of a session: the columns of `days` that restatements change."""

    nav: Decimal | None
    nav_status: str
    priced: Decimal
    unpriced: tuple[str, ...]
    stale: tuple[str, ...]
    priced_by_trade: tuple[str, ...]
    flows: Decimal | None
    daily_return: Decimal | None
    return_reason: str | None
    return_method: str | None
    return_from: date | None
    is_emptied: bool
    carried: str | None


def pair_names(currency: str, base: str) -> tuple[str, str]:
    """Name the two marks that can carry a currency's rate to base: direct, then inverse."""
    return f"{currency}/{base}", f"{base}/{currency}"


def rate_name(currency: str, base: str) -> str:
    """Name a rate where names are listed; no instrument has such a name."""
    return f"FX:{currency}/{base}"


def _rate(currency: str, base: str, quotes: Quotes) -> tuple[Quote, bool] | None:
    """Give the newest rate in force and whether it is direct; a direct one wins a tie."""
    direct, inverse = (quotes.get(name) for name in pair_names(currency, base))
    if direct is not None and (inverse is None or inverse.at <= direct.at):
        return direct, True
    return None if inverse is None else (inverse, False)


def amount_to_base(amount: Decimal, currency: str, base: str, quotes: Quotes) -> Decimal | None:
    """Convert an amount to base; None where no rate is in force."""
    if currency == base or not amount:
        return amount
    rate = _rate(currency, base, quotes)
    if rate is None or not rate[0].price:
        return None
    quote, is_direct = rate
    return amount * quote.price if is_direct else share(amount, ONE, quote.price)


def value(
    subject: Subject,
    holdings: Holdings,
    *,
    at: datetime,
    fresh_from: datetime,
    quotes: Quotes,
    executed: Executed,
) -> Value:
    """Value holdings at a moment; a price older than `fresh_from` is listed as stale."""
    totals = holdings.cash.copy()
    instruments = subject.instruments
    unpriced: list[str] = []
    stale: list[str] = []
    by_trade: list[str] = []
    for name, quantity in holdings.quantities.items():
        quote = quotes.get(name)
        if quote is None:
            quote = executed(name)
            if quote is None:
                unpriced.append(name)
                continue
            by_trade.append(name)
        if quote.at < fresh_from:
            stale.append(name)
        currency = instruments[name]
        totals[currency] = totals.get(currency, ZERO) + quantity * quote.price
    base = subject.base_currency
    priced = totals.pop(base, ZERO)
    for currency in sorted(totals):
        converted = amount_to_base(totals[currency], currency, base, quotes)
        if converted is None:
            unpriced.append(rate_name(currency, base))
            continue
        priced += converted
        rate = _rate(currency, base, quotes)
        if rate is not None and rate[0].at < at - RATE_STALE_AFTER:
            stale.append(rate_name(currency, base))
    priced = canonical(priced)
    nav = None if unpriced else priced
    return Value(nav, priced, *(tuple(sorted(each)) for each in (unpriced, stale, by_trade)))


class Day(msgspec.Struct):
    """One session of one portfolio on its way to a row: what was held before, what happened."""

    subject: Subject
    session: Session
    before: Holdings
    facts: Facts
    carried: Carried
    quotes_at: Callable[[datetime], Quotes]
    executed_before: Executed
    executed_after: Executed

    def close(self) -> tuple[Current, Carried]:
        """Take the facts into `before`, value the session's end and give row and rest."""
        timed_values = list(self._values_before_flows())
        self.before.merge(self.facts)
        at = self.session.ends_at
        end = value(
            self.subject, self.before, at=at, fresh_from=self.session.starts_at,
            quotes=self.quotes_at(at), executed=self.executed_after,
        )  # fmt: skip
        flows = _Flows(self)
        daily, chain = daily_return(
            self.carried.chain,
            session=self.session.day,
            end=Valuation(end.nav, self.before.is_empty),
            inflow=flows.inflow,
            outflow=flows.outflow,
            timed=[
                TimedFlow(at, amount, before)
                for (at, before) in timed_values
                for amount in flows.timed.get(at, ())
            ],
            has_unvalued_flow=bool(flows.unvalued),
        )
        unvalued = flows.unvalued if end.nav is None else {}
        carried = Carried(_canonical_chain(chain), unvalued)
        current = Current(
            nav=end.nav,
            nav_status=INCOMPLETE if end.nav is None else COMPLETE,
            priced=end.priced,
            unpriced=end.unpriced,
            stale=end.stale,
            priced_by_trade=end.priced_by_trade,
            flows=flows.total,
            daily_return=daily.value,
            return_reason=daily.reason and daily.reason.value,
            return_method=daily.method and daily.method.value,
            return_from=daily.since,
            is_emptied=chain.is_emptied,
            carried=_text(carried) if end.nav is None else None,
        )
        return current, carried

    def _values_before_flows(self) -> Iterator[tuple[datetime, Valuation]]:
        """Value the portfolio just before each moment at which cash flowed."""
        timed = [flow for flow in self.facts.flows if flow.at is not None]
        if not timed:
            return
        running = self.before.copy()
        for flow in self.facts.flows:
            if flow.at is None and flow.amount > 0:
                running.cash[flow.currency] = running.cash.get(flow.currency, ZERO) + flow.amount
        executions = sorted(
            (each for each in self.facts.executions if each.at is not None), key=_made
        )
        done = 0
        last = LastExecuted(self.executed_before)
        for at, flows in _by_moment(timed):
            until = bisect_right(executions, at, key=_made)
            while until > done and executions[until - 1].at == at:
                until -= 1
            for execution in executions[done:until]:
                running.take(execution)
                last.take(execution, _made(execution))
            done = until
            valued = value(
                self.subject, running, at=at, fresh_from=at,
                quotes=self.quotes_at(at), executed=last.quote,
            )  # fmt: skip
            yield at, Valuation(valued.nav, running.is_empty)
            for flow in flows:
                facts = Facts()
                facts.add_flow(flow)
                running.merge(facts)


class LastExecuted:
    """The last executed prices of some instruments in book order, over those known before."""

    def __init__(self, before: Executed) -> None:
        self._before = before
        self._last: dict[str, tuple[str, Quote]] = {}

    def take(self, execution: Execution, at: datetime) -> None:
        """Count one more execution; it replaces the last price unless it is earlier in order."""
        known = self._last.get(execution.instrument)
        if known is None or known[0] < execution.book_order:
            quote = Quote(at, execution.price)
            self._last[execution.instrument] = (execution.book_order, quote)

    def quote(self, name: str) -> Quote | None:
        """Give an instrument's last executed price."""
        known = self._last.get(name)
        return self._before(name) if known is None else known[1]


class _Flows:
    """A session's flows in base: without a time of day summed, timed apart, or without a rate.

    A flow with a time of day takes the rate of its moment, one without the rate of the session's
    end; where there is none then, that of the first later valuation that has one. Flows of one
    moment, currency and direction are converted together, so that dividing rounds once.
    """

    def __init__(self, day: Day) -> None:
        self._base = day.subject.base_currency
        self._end_quotes = day.quotes_at(day.session.ends_at)
        self.inflow = self.outflow = ZERO
        self.timed: dict[datetime, list[Decimal]] = {}
        self.unvalued: dict[str, tuple[Decimal, Decimal]] = {}
        total: Decimal | None = ZERO
        for flow in _together(day.facts.flows):
            at_moment = None if flow.at is None else day.quotes_at(flow.at)
            amount = self._convert(flow, at_moment)
            if amount is None:
                self._keep(flow.currency, max(flow.amount, ZERO), max(-flow.amount, ZERO))
                total = None
                continue
            total = None if total is None else total + amount
            if flow.at is not None:
                self.timed.setdefault(flow.at, []).append(amount)
            elif amount > 0:
                self.inflow += amount
            else:
                self.outflow -= amount
        self.total = None if total is None else canonical(total)
        for currency, (inflow, outflow) in day.carried.unvalued.items():
            self._resolve(currency, inflow, outflow)

    def _convert(self, flow: Flow, at_moment: Quotes | None) -> Decimal | None:
        if at_moment is not None:
            amount = amount_to_base(flow.amount, flow.currency, self._base, at_moment)
            if amount is not None:
                return amount
        return amount_to_base(flow.amount, flow.currency, self._base, self._end_quotes)

    def _resolve(self, currency: str, inflow: Decimal, outflow: Decimal) -> None:
        converted_in = amount_to_base(inflow, currency, self._base, self._end_quotes)
        converted_out = amount_to_base(outflow, currency, self._base, self._end_quotes)
        if converted_in is None or converted_out is None:
            self._keep(currency, inflow, outflow)
            return
        self.inflow += converted_in
        self.outflow += converted_out

    def _keep(self, currency: str, inflow: Decimal, outflow: Decimal) -> None:
        known_in, known_out = self.unvalued.get(currency, (ZERO, ZERO))
        self.unvalued[currency] = (canonical(known_in + inflow), canonical(known_out + outflow))


def _made(execution: Execution) -> datetime:
    assert execution.at is not None, "only executions with a time of day are placed within a day"
    return execution.at


def _together(flows: Sequence[Flow]) -> list[Flow]:
    sums: dict[tuple[datetime | None, str, bool], Decimal] = {}
    for at, currency, amount in flows:
        key = (at, currency, amount > 0)
        sums[key] = sums.get(key, ZERO) + amount
    return [Flow(at, currency, amount) for (at, currency, _), amount in sums.items()]


def _by_moment(flows: Sequence[Flow]) -> Iterator[tuple[datetime, list[Flow]]]:
    moments: dict[datetime, list[Flow]] = {}
    for flow in flows:
        if flow.at is not None:
            moments.setdefault(flow.at, []).append(flow)
    yield from sorted(moments.items())


def _canonical_chain(chain: Chain) -> Chain:
    return msgspec.structs.replace(
        chain,
        value=canonical(chain.value),
        inflow=canonical(chain.inflow),
        outflow=canonical(chain.outflow),
    )


def _text(carried: Carried) -> str:
    return msgspec.json.encode(carried, order="deterministic").decode()


def carried_from(current: Current, session: date) -> Carried:
    """Read what a row hands to the next session's."""
    if current.carried is not None:
        return msgspec.json.decode(current.carried, type=Carried)
    assert current.nav is not None, "a row without a NAV says what it carries"
    chain = Chain(value=current.nav, is_emptied=current.is_emptied, since=session)
    return Carried(chain)
