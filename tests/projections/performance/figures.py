"""What is told beside facts within histories: struck figures, and benchmarks assigned."""

from collections.abc import Sequence
from datetime import date

import msgspec
from hypothesis import strategies as st

from domain.figures import FiguresStruck, StruckFigure
from domain.market import SessionClosed
from domain.portfolio.life import BenchmarkAssigned
from tests.projections.performance.telling import Folded, Told, day

Kept = set[tuple[str, str, date, tuple[StruckFigure, ...]]]


@st.composite
def told_beside(
    draw: st.DrawFn, told: Sequence[Told], books: Sequence[tuple[str, str]]
) -> list[Told]:
    """Assign benchmarks anywhere; tell figures of some sessions somewhere behind their closing."""
    found = list(told)
    closings = [event for _, event in told if isinstance(event, SessionClosed)]
    for closing in {event.session: event for event in reversed(closings)}.values():
        for tenant, portfolio in draw(st.lists(st.sampled_from(books), unique=True, max_size=2)):
            first = next(place for place, each in enumerate(found) if each[1] is closing)
            place = draw(st.integers(first + 1, len(found)))
            value = draw(st.none() | st.decimals(-1_000, 1_000, places=12))
            nav = StruckFigure(
                name="nav", value=value, reason="nav_incomplete" if value is None else None,
                method="any", calculation="any", position=first, market_position=first,
            )  # fmt: skip
            event = FiguresStruck(portfolio, closing.session, first, "USD", (nav,))
            found.insert(place, (tenant, event))
    for tenant, portfolio in draw(st.lists(st.sampled_from(books), max_size=3)):
        name, since = draw(st.sampled_from("AB")), day(draw(st.integers(1, 3)))
        told_of = BenchmarkAssigned(portfolio=portfolio, benchmark=name, from_date=since)
        found.insert(draw(st.integers(0, len(found))), (tenant, told_of))
    return found


def figures_told(told: Sequence[Told]) -> Kept:
    """The figures of a history."""
    return {
        (tenant, event.portfolio, event.session, event.figures)
        for tenant, event in told
        if isinstance(event, FiguresStruck)
    }


def figures_kept(tables: Folded) -> Kept:
    """The figures that tables hold."""
    decode = msgspec.json.Decoder(tuple[StruckFigure, ...]).decode
    rows = tables.select(
        "SELECT tenant, portfolio, session, figures FROM {schema}.{table}", "figures"
    )
    return {(tenant, portfolio, session, decode(text)) for tenant, portfolio, session, text in rows}
