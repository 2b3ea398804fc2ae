"""What readers are told a figure is made of: lines that add up, or inputs of a published function.

Each says its `kind`. Events are named by their log positions: `GET …/history` of what they belong
to has them.
"""

from datetime import date, datetime
from typing import Any, TypeAlias

from projections.performance.ex_post import CALCULATION
from projections.performance.explaining import Explained
from projections.performance.late_facts import Struck
from read_api.performance_shapes import Measured, SessionFlow
from read_api.shaping import Amount, Shaped, ShapedOne, plain, shaped


class Line(Shaped, frozen=True):
    """A line of a NAV: a `position`, `cash`, a dividend `receivable` or `payable`.

    quantity x price x new_units / old_units = amount, in `currency`; x rate = value, in that of
    the portfolio. Without a price or a rate there is no value, and the NAV is incomplete. `events`
    made the quantity or the amount, `price_event` told the price.
    """

    kind: str
    name: str
    currency: str
    quantity: Amount | None
    price: Amount | None
    price_source: str | None
    price_at: datetime | None
    price_event: int | None
    new_units: int
    old_units: int
    is_stale: bool
    amount: Amount | None
    rate: Amount | None
    rate_at: datetime | None
    rate_is_stale: bool
    value: Amount | None
    events: tuple[int, ...]


class LateEvent(Shaped, frozen=True):
    """An event behind the striking that counts in the day; `told_of` is a trade's id, or a name."""

    position: int
    kind: str
    told_of: str


class StruckAndCurrent(Shaped, frozen=True):
    """struck + restated = current; since which position it is so, and why.

    `late` lists what came behind the striking and counts; what was taken out again has left no
    trace but the reason.
    """

    position: int | None
    struck: Amount | None
    restated: Amount | None
    current: Amount | None
    restated_position: int | None
    restated_reason: str | None
    late: tuple[LateEvent, ...]


class TimedFlow(Shaped, frozen=True):
    """An external flow at its moment, and the value just before it, null where incomplete."""

    at: datetime
    amount: Amount
    value_before: Amount | None
    is_empty: bool


class SubPeriod(Shaped, frozen=True):
    """A part of the day: its value at the start, and just before the flow at its end.

    Where nothing was held all the time (`is_empty`) it counts for nothing.
    """

    start_value: Amount
    end_value: Amount
    flow: Amount
    is_empty: bool


class ReturnInputs(Shaped, frozen=True):
    """What `function` was fed with: the product of end / start over the sub-periods, less 1.

    `start_value` is that of `start_session`, the last with a complete NAV; `carried_inflow` and
    `carried_outflow` are the flows of the gap since. `inflow` and `outflow` have no time of day.
    """

    function: str
    start_session: date | None
    start_value: Amount
    is_emptied: bool
    is_in_gap: bool
    carried_inflow: Amount
    carried_outflow: Amount
    end_value: Amount | None
    is_empty: bool
    inflow: Amount
    outflow: Amount
    timed: tuple[TimedFlow, ...]
    has_unvalued_flow: bool
    sub_periods: tuple[SubPeriod, ...]


class DayExplained(Shaped, frozen=True, tag="day", tag_field="kind"):
    """A session: the lines that add up to its NAV, the inputs of its return, struck and current.

    `difference` is what this calculation gives beyond what is stored: zero, or the code has changed
    since.
    """

    portfolio: str
    session: date
    ends_at: datetime
    currency: str
    nav: Amount | None
    nav_status: str
    priced: Amount
    difference: Amount | None
    lines: tuple[Line, ...]
    daily_return: Amount | None
    return_reason: str | None
    return_method: str | None
    return_inputs: ReturnInputs
    restatement_of_nav: StruckAndCurrent
    restatement_of_return: StruckAndCurrent


class ChainedDay(Shaped, frozen=True):
    """A session's return, or the reason why it has none."""

    session: date
    daily_return: Amount | None
    return_reason: str | None


class ChainExplained(Shaped, frozen=True, tag="chain", tag_field="kind"):
    """A time-weighted return: `function` of the days, exact."""

    function: str
    value: Amount | None
    days: tuple[ChainedDay, ...]


class StatisticExplained(Shaped, frozen=True, tag="statistic", tag_field="kind"):
    """A statistic: `function` of `returns`, then `benchmark_returns`, and `parameters` by name."""

    figure: str
    function: str
    method: str
    measured: Measured
    parameters: dict[str, float]
    benchmark: str | None
    sessions: tuple[date, ...]
    returns: tuple[float, ...]
    benchmark_returns: tuple[float, ...] | None


class MoneyExplained(Shaped, frozen=True, tag="money", tag_field="kind"):
    """A money-weighted rate: `function` of values in float, `days`, and flows by day since start.

    `annual_rate` is `function` of `money_weighted` and the days. Null inputs: one is not known.
    """

    figure: str
    function: str
    measured: Measured
    money_weighted: Measured
    start_session: date | None
    start_value: Amount | None
    end_session: date | None
    end_value: Amount | None
    days: int | None
    flows: tuple[SessionFlow, ...]
    flow_days: tuple[int, ...] | None


Explanation: TypeAlias = DayExplained | ChainExplained | StatisticExplained | MoneyExplained


class OneExplanation(ShapedOne, frozen=True):
    """What one figure is made of."""

    item: Explanation
    calculation: str


def day_shaped(found: Any) -> OneExplanation:  # noqa: ANN401
    """Tell what a day is made of."""
    row: Explained = found.row
    current = row.current
    item = shaped(
        DayExplained,
        row,
        **{
            name: plain(getattr(current, name))
            for name in (
                "nav", "nav_status", "priced", "daily_return", "return_reason", "return_method",
            )
        },
        lines=tuple(shaped(Line, line, events=tuple(line.events)) for line in row.lines),
        return_inputs=_inputs(row),
        restatement_of_nav=_struck(row.nav),
        restatement_of_return=_struck(row.daily_return),
    )  # fmt: skip
    return _one(found, item)


def chain_shaped(found: Any) -> OneExplanation:  # noqa: ANN401
    """Tell what a time-weighted return is made of."""
    days = tuple(
        ChainedDay(session=session, daily_return=plain(value), return_reason=reason)
        for session, value, reason in found.row.days
    )
    function = "domain.returns.cumulative"
    return _one(found, shaped(ChainExplained, found.row, function=function, days=days))


def statistic_shaped(found: Any) -> OneExplanation:  # noqa: ANN401
    """Tell what a statistic was fed with."""
    row = found.row
    benchmark = None if row.benchmark_returns is None else tuple(row.benchmark_returns)
    item = shaped(
        StatisticExplained,
        row,
        measured=shaped(Measured, row.value),
        sessions=tuple(row.sessions),
        returns=tuple(row.returns),
        benchmark_returns=benchmark,
    )
    return _one(found, item)


def money_shaped(found: Any, figure: str) -> OneExplanation:  # noqa: ANN401
    """Tell what a money-weighted rate was fed with."""
    row = found.row
    item = shaped(
        MoneyExplained,
        row,
        figure=figure,
        function=f"domain.statistics.money_weighted.{figure}",
        measured=shaped(Measured, getattr(row, figure)),
        money_weighted=shaped(Measured, row.money_weighted),
        flows=tuple(shaped(SessionFlow, each) for each in row.flows),
        flow_days=None if row.earned is None else tuple(row.earned.flow_days),
    )
    return _one(found, item)


def _one(found: Any, item: Explanation) -> OneExplanation:  # noqa: ANN401
    return shaped(OneExplanation, found, item=item, calculation=CALCULATION)


def _struck(row: Struck) -> StruckAndCurrent:
    return shaped(StruckAndCurrent, row, late=tuple(shaped(LateEvent, event) for event in row.late))


def _inputs(row: Explained) -> ReturnInputs:
    fed = row.inputs
    chain = fed.chain
    return shaped(
        ReturnInputs,
        fed,
        function="domain.returns.daily_return",
        start_session=chain.since,
        start_value=plain(chain.value),
        is_emptied=chain.is_emptied,
        is_in_gap=chain.is_in_gap,
        carried_inflow=plain(chain.inflow),
        carried_outflow=plain(chain.outflow),
        end_value=plain(fed.end.value),
        is_empty=fed.end.is_empty,
        timed=tuple(
            shaped(
                TimedFlow,
                flow,
                value_before=plain(flow.before.value),
                is_empty=flow.before.is_empty,
            )
            for flow in fed.timed
        ),
        sub_periods=tuple(
            shaped(SubPeriod, part, start_value=plain(part.start), end_value=plain(part.end))
            for part in fed.sub_periods
        ),
    )
