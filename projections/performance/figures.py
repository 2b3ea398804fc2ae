"""The figures that are struck when a session closes: those due, and those the log tells.

A NAV is the one that the day was struck with, of the closing's own position. Ex-ante risk is of the
holdings at the session's end, as far as the log tells of them where `performance` stands when it is
made; both carry the position of their inputs. The hypothetical P&L of a session is what the
holdings of the end before it gained by the session's returns; it is held against the VaR of that
end. Values are rounded half-even to 12 decimals.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import numpy as np

from domain.figures import FiguresStruck, Parameter, StruckFigure
from domain.money import SMALLEST, canonical, fits
from domain.statistics.ex_ante import LEVELS, Convention, TailFigure
from domain.statistics.measured import Reason
from domain.statistics.value_at_risk import WINDOW, Method, historical_pnl, tails_of
from projections.asking import HistoryTooLong, Readable, ask
from projections.defects import DEFECTS, told_of
from projections.performance.model import PerformanceModel
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import CALCULATION as RISK_CALCULATION
from projections.performance.risk import Asked, Seen, seen
from projections.performance.scenarios import lines_of, returns_of

NAME = "performance"
NAV = "nav"
NAV_METHOD = "cash + positions + receivables - payables, at the session's end"
NAV_INCOMPLETE = "nav_incomplete"
HISTORY_TOO_LONG = "history_too_long"
CALCULATION = f"performance {PerformanceModel.calculation_version}"
HYPOTHETICAL = "hypothetical_pnl"
HYPOTHETICAL_METHOD = "holdings at the end of the session before x the session's total return"
FROM = "from"
VALUES_AT_RISK = tuple(TailFigure("value_at_risk", Method.HISTORICAL, 1, each) for each in LEVELS)

_DAY = """
days.struck_position AS closed_at, days.tenant, days.portfolio, days.session, days.currency,
    days.struck_nav, (
        SELECT max(earlier.session) FROM {schema}.days AS earlier
        WHERE earlier.tenant = days.tenant AND earlier.portfolio = days.portfolio
            AND earlier.session < days.session
    )
"""
_DUE = (
    _DAY
    + """
FROM {schema}.sessions
JOIN {schema}.portfolios ON portfolios.calendar = sessions.calendar
JOIN {schema}.days ON days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
    AND days.session = sessions.session AND days.struck_position = sessions.position
LEFT JOIN {schema}.figures ON figures.tenant = days.tenant AND figures.portfolio = days.portfolio
    AND figures.session = days.session
WHERE sessions.position > %s AND figures.session IS NULL AND NOT EXISTS (
    SELECT FROM unnest(%s::text[], %s::text[]) AS passed (tenant, portfolio)
    WHERE passed.tenant = days.tenant AND passed.portfolio = days.portfolio
)
ORDER BY sessions.position, days.tenant, days.portfolio LIMIT %s
"""
)
_STRUCK = (
    _DAY
    + """
FROM {schema}.days
WHERE tenant = %s AND portfolio = %s AND session = %s AND struck_position IS NOT NULL
"""
)
_ORDER = "ORDER BY closed_at, tenant, portfolio"


class DueFigures(NamedTuple):
    """Figures of a tenant's portfolio that the log does not tell yet."""

    tenant: str
    struck: FiguresStruck


class Failed(NamedTuple):
    """A tenant's portfolio whose figures of a session our code could not make, and what it said."""

    tenant: str
    portfolio: str
    session: date
    error: str


class AllDueFigures(NamedTuple):
    """What is due, and what would be but failed; up to the last of them nothing else was due."""

    position: int
    due: list[DueFigures]
    failed: list[Failed]


class _Day(NamedTuple):
    closed_at: int
    tenant: str
    portfolio: str
    session: date
    currency: str
    nav: Decimal | None
    before: date | None


def figures_due(
    readable: Readable,
    *,
    behind: int,
    limit: int,
    passed: Collection[tuple[str, str]] = (),
) -> AllDueFigures:
    """Make the figures due of sessions closed behind a log position, oldest closing first.

    They are of one partition. Portfolios, by tenant, that failed before are to be passed over: each
    look is bounded, and they would be due at every one.
    """
    tenants, portfolios = [each[0] for each in passed], [each[1] for each in passed]
    answered = ask(readable, NAME, _DUE, (behind, tenants, portfolios, limit), order=_ORDER)
    found = AllDueFigures(answered.position, [], [])
    for day in map(_Day._make, answered.rows):
        try:
            struck = _struck(day, _figures(readable, day))
        except DEFECTS as error:
            failed = Failed(day.tenant, day.portfolio, day.session, told_of(error))
            found.failed.append(failed)
        else:
            found.due.append(DueFigures(day.tenant, struck))
    return found


def figures_again(
    readable: Readable, *, tenant: str, portfolio: str, session: date
) -> tuple[StruckFigure, ...] | None:
    """Make the figures of a session that was struck, as of where `performance` stands.

    Of tables that stand where the inputs of told figures were, they are the same. None where no
    such day was struck.
    """
    found = ask(readable, NAME, _STRUCK, (tenant, portfolio, session)).rows
    return _figures(readable, _Day(*found[0])) if found else None


def value_at_risk_of(one: Seen) -> tuple[Sequence[float | None], str | None]:
    """Give the historical VaR of one day at each level, or the reason why there is none."""
    if one.reason is not None:
        return [None] * len(LEVELS), one.reason
    if not one.scenarios.lines:
        return [0.0] * len(LEVELS), None
    pnl = historical_pnl(one.scenarios.returns, one.scenarios.exposures[np.newaxis])
    return [float(tail.value_at_risk[0]) for tail in tails_of(pnl, LEVELS)], None


def hypothetical_pnl(
    one: Seen, closes: PriceHistory, session: date
) -> tuple[float | None, str | None]:
    """Give what holdings of the end before a session gained in it, or why that is not known.

    A line without a close of the session kept its price.
    """
    exposed = one.exposed
    if exposed.lack is not None:
        return None, exposed.lack.value
    last = bisect_left(closes.sessions, session)
    if last == 0 or closes.sessions[last - 1] != exposed.session:
        return None, Reason.NO_SESSION.value
    lines = lines_of(exposed)
    returns = returns_of(lines, exposed.currency, closes, last - 1, last)
    held = np.array([line.value for line in lines])
    return float(np.nan_to_num(returns[0]) @ held), None


def _figures(readable: Readable, day: _Day) -> tuple[StruckFigure, ...]:
    return (_nav(day), *_risk(readable, day))


def _risk(readable: Readable, day: _Day) -> tuple[StruckFigure, ...]:
    def answer(one: Seen, _: PriceHistory) -> tuple[Sequence[float | None], str | None]:
        return value_at_risk_of(one)

    def answer_before(one: Seen, closes: PriceHistory) -> tuple[float | None, str | None]:
        return hypothetical_pnl(one, closes, day.session)

    owner = {"tenant": day.tenant, "portfolio": day.portfolio}
    try:
        found = seen(readable, **owner, asked=Asked(until=day.session), answer=answer)
        assert found.row is not None, "it has a struck day"
        values, reason = found.row
        inputs = (found.position, found.market_position)
        gained: tuple[float | None, str | None] | None = None, Reason.NO_SESSION.value
        if day.before is not None:
            gained = seen(
                readable, **owner, asked=Asked(until=day.before), answer=answer_before
            ).row
        assert gained is not None, "it has a struck day"
    except HistoryTooLong:
        values, reason = [None] * len(LEVELS), HISTORY_TOO_LONG
        gained, inputs = (None, HISTORY_TOO_LONG), (day.closed_at, day.closed_at)
    before = "" if day.before is None else day.before.isoformat()
    return (
        *(
            _figure(each.name, (value, reason), each.label(Convention()), inputs, _told_to(each))
            for each, value in zip(VALUES_AT_RISK, values, strict=True)
        ),
        _figure(HYPOTHETICAL, gained, HYPOTHETICAL_METHOD, inputs, (Parameter(FROM, before),)),
    )


def _told_to(figure: TailFigure) -> tuple[Parameter, ...]:
    return Parameter("level", str(figure.level)), Parameter("window", str(WINDOW))


def _struck(day: _Day, figures: tuple[StruckFigure, ...]) -> FiguresStruck:
    return FiguresStruck(
        portfolio=day.portfolio,
        session=day.session,
        closed_at=day.closed_at,
        currency=day.currency,
        figures=figures,
    )


def _nav(day: _Day) -> StruckFigure:
    value = None if day.nav is None else carried(day.nav)
    reason = NAV_INCOMPLETE if day.nav is None else None
    return StruckFigure(
        name=NAV,
        value=value,
        reason=Reason.OUT_OF_RANGE.value if day.nav is not None and value is None else reason,
        method=NAV_METHOD,
        calculation=CALCULATION,
        position=day.closed_at,
        market_position=day.closed_at,
    )


def _figure(
    name: str,
    found: tuple[float | None, str | None],
    method: str,
    inputs: tuple[int, int],
    parameters: tuple[Parameter, ...],
) -> StruckFigure:
    value, reason = found
    rounded = None if value is None else carried(Decimal(repr(value)))
    if value is not None and rounded is None:
        reason = Reason.OUT_OF_RANGE.value
    position, market_position = inputs
    return StruckFigure(
        name=name,
        value=rounded,
        reason=None if rounded is not None else reason,
        method=method,
        calculation=RISK_CALCULATION,
        position=position,
        market_position=market_position,
        parameters=parameters,
    )


def carried(number: Decimal) -> Decimal | None:
    """Round to what the log carries; None where nothing does."""
    if not number.is_finite():
        return None
    rounded = number.quantize(SMALLEST, ROUND_HALF_EVEN)
    return canonical(rounded) if fits(rounded) else None
