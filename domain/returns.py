"""Daily time-weighted returns: sub-periods that break at external flows (convention 11).

Returns and factors are fractions, never percent: 0.01 is one percent, a factor is 1 + return.
Decimals are exact and rounded once, at the end, to 18 decimals; amounts are in
the portfolio's base currency, inflows positive.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

import msgspec

from domain.money import ONE, ZERO, canonical, ratio

FACTOR_DIGITS_MAX = 80
"""Most digits before the point of a factor; beyond, 18 decimals no longer fit the context."""


class ReturnMethod(StrEnum):
    """Where the flows were placed: each at its moment, or in at start and out at end."""

    TRUE = "true"
    DAILY = "daily_in_start_out_end"


class ReturnReason(StrEnum):
    """Why a day has no return."""

    NAV_INCOMPLETE = "nav_incomplete"
    START_VALUE_NOT_POSITIVE = "start_value_not_positive"
    FLOW_WITHOUT_RATE = "flow_without_rate"
    OUT_OF_RANGE = "out_of_range"


class Valuation(msgspec.Struct, frozen=True, gc=False):
    """A portfolio's value at a moment: None where it is incomplete.

    `is_empty` says that it held no position and no cash at all.
    """

    value: Decimal | None
    is_empty: bool = False


class TimedFlow(msgspec.Struct, frozen=True, gc=False):
    """An external flow with a time of day, and the portfolio's value just before that moment."""

    at: datetime
    amount: Decimal
    before: Valuation


class Chain(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the next return starts: the last complete valuation and the flows in a gap since.

    `since` is the session of that valuation, None before the first. `is_emptied` says that a
    withdrawal took all there was, or that nothing was ever there: then no return is lost by
    holding nothing. `outflow` is positive.
    """

    value: Decimal = ZERO
    is_emptied: bool = True
    since: date | None = None
    is_in_gap: bool = False
    inflow: Decimal = ZERO
    outflow: Decimal = ZERO


class DailyReturn(msgspec.Struct, frozen=True):
    """One day's return since the valuation of session `since`, or the reason why there is none."""

    value: Decimal | None
    reason: ReturnReason | None = None
    method: ReturnMethod | None = None
    since: date | None = None


class SubPeriod(NamedTuple):
    """A part of a day between external flows: a value at its start, and just before `flow`.

    Where nothing was held all the time it counts for nothing: its factor is 1.
    """

    start: Decimal
    end: Decimal
    flow: Decimal
    is_empty: bool


class _SubPeriods:
    """The running product of one day's sub-periods."""

    def __init__(self, start: Decimal, *, is_emptied: bool) -> None:
        self.start = start
        self.is_emptied = is_emptied and not start
        self.factor: Decimal | None = ONE
        self.ended: list[SubPeriod] = []

    def end(self, before: Valuation, flow: Decimal) -> None:
        """End a sub-period at a value, just before `flow`, with which the next one starts."""
        assert before.value is not None, "only complete valuations end a sub-period"
        stays_empty = self.is_emptied and not before.value and before.is_empty
        if not stays_empty:
            self._multiply(before.value)
        self.ended.append(SubPeriod(self.start, before.value, flow, stays_empty))
        self.start = before.value + flow
        withdrawn = flow < 0 < before.value
        self.is_emptied = not self.start and (withdrawn or (stays_empty and not flow))

    def _multiply(self, value: Decimal) -> None:
        if self.start <= 0 or self.factor is None:
            self.factor = None
        elif value <= 0:
            self.factor = ZERO
        else:
            self.factor *= value / self.start


def daily_return(
    chain: Chain,
    *,
    session: date,
    end: Valuation,
    inflow: Decimal,
    outflow: Decimal,
    timed: Sequence[TimedFlow] = (),
    has_unvalued_flow: bool = False,
) -> tuple[DailyReturn, Chain]:
    """Give a session's return and where the next one starts.

    `inflow` and `outflow` (positive) are the flows without a time of day; `timed` ascends by time.
    After a gap, or where a valuation just before a timed flow is incomplete, all flows since the
    last complete valuation are placed in at the start and out at the end.
    `has_unvalued_flow` says that a flow had no rate to base: its period has no return.
    """
    inflow, outflow, timed = _placed(chain, end, inflow, outflow, timed)
    if end.value is None:
        gap = msgspec.structs.replace(chain, is_in_gap=True, inflow=inflow, outflow=outflow)
        return DailyReturn(None, ReturnReason.NAV_INCOMPLETE, since=chain.since), gap
    periods = _periods(chain, end, inflow, outflow, timed)
    method = ReturnMethod.DAILY if inflow or outflow else ReturnMethod.TRUE
    following = Chain(value=end.value, is_emptied=periods.is_emptied, since=session)
    value, reason = _rounded(periods.factor)
    if has_unvalued_flow:
        value, reason = None, ReturnReason.FLOW_WITHOUT_RATE
    return DailyReturn(value, reason, method, chain.since), following


def sub_periods(
    chain: Chain,
    *,
    end: Valuation,
    inflow: Decimal,
    outflow: Decimal,
    timed: Sequence[TimedFlow] = (),
) -> list[SubPeriod]:
    """List the sub-periods of a day that `daily_return` multiplies, end / start each, and rounds.

    None where the day has no complete value.
    """
    if end.value is None:
        return []
    return _periods(chain, end, *_placed(chain, end, inflow, outflow, timed)).ended


def _placed(
    chain: Chain, end: Valuation, inflow: Decimal, outflow: Decimal, timed: Sequence[TimedFlow]
) -> tuple[Decimal, Decimal, Sequence[TimedFlow]]:
    """Place flows in at start and out at end, all of them where there is no value before one."""
    is_gap = chain.is_in_gap or end.value is None
    if is_gap or any(flow.before.value is None for flow in timed):
        inflow += sum((flow.amount for flow in timed if flow.amount > 0), ZERO)
        outflow -= sum((flow.amount for flow in timed if flow.amount < 0), ZERO)
        timed = ()
    return inflow + chain.inflow, outflow + chain.outflow, timed


def _periods(
    chain: Chain, end: Valuation, inflow: Decimal, outflow: Decimal, timed: Sequence[TimedFlow]
) -> _SubPeriods:
    assert end.value is not None, "only a complete value ends a day"
    periods = _SubPeriods(chain.value + inflow, is_emptied=chain.is_emptied)
    for _, group in groupby(timed, key=lambda flow: flow.at):
        flows = list(group)
        periods.end(flows[0].before, sum((flow.amount for flow in flows), ZERO))
    before_end = Valuation(end.value + outflow, end.is_empty and not outflow)
    periods.end(before_end, -outflow)
    return periods


def _rounded(factor: Decimal | None) -> tuple[Decimal | None, ReturnReason | None]:
    if factor is None:
        return None, ReturnReason.START_VALUE_NOT_POSITIVE
    if factor.adjusted() >= FACTOR_DIGITS_MAX:
        return None, ReturnReason.OUT_OF_RANGE
    return canonical(ratio(factor, ONE) - ONE), None


def cumulative(
    days: Iterable[tuple[Decimal | None, ReturnReason | None]], *, behind: int = 0
) -> Iterator[Decimal | None]:
    """Chain daily returns: after each day, the return since the first, or None.

    A day without a complete NAV has none, and the next complete day carries its return; behind a
    day whose return is undefined there is none any more. The first `behind` days are chained and
    not told: rounding a return costs more than chaining it.
    """
    factor: Decimal | None = ONE
    for place, (value, reason) in enumerate(days):
        if value is not None and factor is not None:
            factor *= ONE + value
        elif reason is not ReturnReason.NAV_INCOMPLETE:
            factor = None
        if place >= behind:
            yield None if value is None else _rounded(factor)[0]
