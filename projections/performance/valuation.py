"""Valuing a portfolio at a moment, and a session with its return (conventions 5 and 11).

Pure: quotes are handed in. A position without a mark takes its own last executed price; with
neither, or without a rate to base, the NAV is incomplete and says what is missing. Quantity x price
x rate is exact; only the rate is rounded where it is an inverse or a cross.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import NamedTuple, Protocol

import msgspec

from domain.marks import is_stale
from domain.money import ZERO, canonical
from domain.rates import Conversion, DatedRate, pairs_between, rate_between
from domain.returns import Chain, ReturnMethod, TimedFlow, Valuation, daily_return
from projections.performance.facts import Execution, Facts, Flow, Holdings
from projections.performance.state import Carried, Quote, Session

COMPLETE = "complete"
INCOMPLETE = "incomplete"

Quotes = Mapping[str, Quote | None]
Executed = Callable[[str], Quote | None]
Worth = Callable[[str, Decimal, Quote, date], Decimal]
"""Values a quantity of an instrument, in the units of a date, at a price of its own day."""


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


NOTHING_YET = Current(
    nav=ZERO,
    nav_status=COMPLETE,
    priced=ZERO,
    unpriced=(),
    stale=(),
    priced_by_trade=(),
    flows=ZERO,
    daily_return=ZERO,
    return_reason=None,
    return_method=ReturnMethod.TRUE.value,
    return_from=None,
    is_emptied=True,
    carried=None,
)
"""A session before the first fact, because every fact up to it was taken out again."""


@cache
def pair_names(currency: str, base: str) -> tuple[str, ...]:
    """Name the marks that can make a currency's rate to base."""
    return tuple(f"{one}/{other}" for one, other in pairs_between(currency, base))


def rate_name(currency: str, base: str) -> str:
    """Name a rate where names are listed; no instrument has such a name."""
    return f"FX:{currency}/{base}"


def rate_to_base(currency: str, base: str, quotes: Quotes, at: datetime) -> Conversion | None:
    """Give units of base for one of a currency at the moment the quotes are in force."""

    def marked(one: str, other: str) -> DatedRate | None:
        quote = quotes.get(f"{one}/{other}")
        return None if quote is None else (quote.at, quote.price)

    return rate_between(currency, base, at=at, marked=marked)


def amount_to_base(
    amount: Decimal, currency: str, base: str, quotes: Quotes, at: datetime
) -> Decimal | None:
    """Convert an amount to base; None where no rate is in force."""
    if currency == base or not amount:
        return amount
    found = rate_to_base(currency, base, quotes, at)
    return None if found is None else amount * found.rate


def value(
    subject: Subject,
    holdings: Holdings,
    *,
    at: datetime,
    fresh_from: datetime,
    quotes: Quotes,
    executed: Executed,
    worth: Worth,
    on: date,
) -> Value:
    """Value holdings: prices before `fresh_from` are stale; a sum of zero needs no rate."""
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
        if is_stale(quote.at, fresh_from=fresh_from, is_written_down=quote.is_written_down):
            stale.append(name)
        currency = instruments[name]
        totals[currency] = totals.get(currency, ZERO) + worth(name, quantity, quote, on)
    base = subject.base_currency
    priced = totals.pop(base, ZERO)
    for currency, total in sorted(totals.items()):
        if not total:
            continue
        rate = rate_to_base(currency, base, quotes, at)
        if rate is None:
            unpriced.append(rate_name(currency, base))
            continue
        priced += total * rate.rate
        if rate.is_stale:
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
    worth: Worth

    def close(self) -> tuple[Current, Carried]:
        """Take the facts into `before`, value the session's end and give row and rest."""
        return self.concluded(self.take())

    def take(self) -> "Taken":
        """Take the facts into `before`, and give what the day is concluded from."""
        timed_values = list(self._values_before_flows())
        self.before.merge(self.facts)
        flows = Flows(self)
        timed = [
            TimedFlow(at, amount, before)
            for (at, before) in timed_values
            for amount in flows.timed.get(at, ())
        ]
        return Taken(self.valued(), flows, timed)

    def valued(self) -> Value:
        """Value the session's end, once the facts are taken."""
        at = self.session.ends_at
        return value(
            self.subject, self.before, at=at, fresh_from=self.session.starts_at,
            quotes=self.quotes_at(at), executed=self.executed_after,
            worth=self.worth, on=self.session.day,
        )  # fmt: skip

    def concluded(self, taken: "Taken") -> tuple[Current, Carried]:
        """Give row and rest of a day whose facts are taken."""
        end, flows, timed = taken
        daily, chain = daily_return(
            self.carried.chain,
            session=self.session.day,
            end=Valuation(end.nav, self.before.is_empty),
            inflow=flows.inflow,
            outflow=flows.outflow,
            timed=timed,
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
        """Value the portfolio just before each moment at which cash moved."""
        timed = [flow for flow in self.facts.flows if flow.at is not None]
        if not timed:
            return
        running = self.before.copy()
        for change in self.facts.actions:
            running.act(change)
        for flow in self.facts.flows:
            if flow.at is None and flow.is_external and flow.amount > 0:
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
                worth=self.worth, on=self.session.day,
            )  # fmt: skip
            yield at, Valuation(valued.nav, running.is_empty)
            for flow in flows:
                facts = Facts()
                facts.add_flow(flow)
                running.merge(facts)


class Taken(NamedTuple):
    """A day's value at its end, its flows in base, and the values just before those timed."""

    end: Value
    flows: "Flows"
    timed: list[TimedFlow]


class LastExecuted:
    """The last executed prices of some instruments in book order, over those known before."""

    def __init__(self, before: Executed) -> None:
        self._before = before
        self._last: dict[str, tuple[str, Quote]] = {}

    def take(self, execution: Execution, at: datetime) -> None:
        """Count one more execution; it replaces the last price unless it is earlier in order."""
        known = self._last.get(execution.instrument)
        if known is None or known[0] < execution.book_order:
            quote = Quote(at, execution.price, on=execution.on_date, is_own=True)
            self._last[execution.instrument] = (execution.book_order, quote)

    def quote(self, name: str) -> Quote | None:
        """Give an instrument's last executed price."""
        known = self._last.get(name)
        return self._before(name) if known is None else known[1]


class Flows:
    """A session's flows in base: without a time of day summed, timed apart, or without a rate.

    A flow with a time of day takes the rate of its moment, one without the rate of the session's
    end; where there is none then, that of the first later valuation that has one. Flows of one
    moment, currency and direction are converted together, so that dividing rounds once.
    """

    def __init__(self, day: Day) -> None:
        self._day = day
        self.inflow = self.outflow = ZERO
        self.timed: dict[datetime, list[Decimal]] = {}
        self.unvalued: dict[str, tuple[Decimal, Decimal]] = {}
        total: Decimal | None = ZERO
        for flow in _together(flow for flow in day.facts.flows if flow.is_external):
            amount = self._convert(flow)
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

    def _convert(self, flow: Flow) -> Decimal | None:
        if flow.at is not None:
            amount = self._to_base(flow.amount, flow.currency, flow.at)
            if amount is not None:
                return amount
        return self._at_end(flow.amount, flow.currency)

    def _at_end(self, amount: Decimal, currency: str) -> Decimal | None:
        return self._to_base(amount, currency, self._day.session.ends_at)

    def _to_base(self, amount: Decimal, currency: str, at: datetime) -> Decimal | None:
        base = self._day.subject.base_currency
        return amount_to_base(amount, currency, base, self._day.quotes_at(at), at)

    def _resolve(self, currency: str, inflow: Decimal, outflow: Decimal) -> None:
        converted_in = self._at_end(inflow, currency)
        converted_out = self._at_end(outflow, currency)
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


def _together(flows: Iterable[Flow]) -> list[Flow]:
    sums: dict[tuple[datetime | None, str, bool], Decimal] = {}
    for at, currency, amount, _ in flows:
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
