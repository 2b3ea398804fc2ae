"""Loading what the fold keeps in memory from the tables, and the row that keeps a portfolio."""

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from projections.performance.days import Span
from projections.performance.ledger import load_waiting
from projections.performance.restating import Store
from projections.performance.sessions import Sessions
from projections.performance.state import Calendar, Portfolio, Session, universal
from projections.performance.tables import PORTFOLIO_COLUMNS, moment, text, upsert_lines

_SESSIONS = """
SELECT calendar, session, starts_at, ends_at FROM {schema}.sessions ORDER BY calendar, session
"""
_PORTFOLIOS = "SELECT {columns} FROM {schema}.portfolios ORDER BY opened_position"
_PORTFOLIO = "SELECT {columns} FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s"


def load_calendars(store: Store, schema: str) -> dict[str, Calendar]:
    """Load the closed sessions of every calendar."""
    store.cursor.execute(_SESSIONS.format(schema=schema).encode())
    calendars: dict[str, Calendar] = {}
    for name, day, starts_at, ends_at in store.cursor.fetchall():
        session = Session(day, universal(starts_at), universal(ends_at))
        calendars.setdefault(name, Calendar(name)).close(session)
    return calendars


def load_portfolios(
    store: Store, schema: str, calendars: dict[str, Calendar]
) -> Iterator[Portfolio]:
    """Load the portfolios, each into its calendar, in the order in which they were opened."""
    statement = _PORTFOLIOS.format(schema=schema, columns=PORTFOLIO_COLUMNS)
    store.cursor.execute(statement.encode())
    for tenant, name, currency, basis, market, position, first, held in store.cursor.fetchall():
        calendar = calendars.setdefault(market, Calendar(market))
        portfolio = Portfolio(tenant, name, currency, basis, calendar, position)
        portfolio.set_held(held)
        portfolio.first_session = None if first is None else calendar.of_date(first)
        calendar.portfolios.append(portfolio)
        yield portfolio


def load_portfolio(
    cursor: psycopg.Cursor[Any], schema: str, owner: tuple[str, str], sessions: Sessions
) -> Portfolio:
    """Load one portfolio that is known to be there, alone in its calendar of such sessions."""
    statement = _PORTFOLIO.format(schema=schema, columns=PORTFOLIO_COLUMNS)
    tenant, name, currency, basis, market, position, first, held = cursor.execute(
        statement.encode(), owner
    ).fetchall()[0]
    calendar = Calendar(market)
    calendar.days, calendar.starts = list(sessions.days), list(sessions.starts)
    calendar.ends = list(sessions.ends)
    portfolio = Portfolio(tenant, name, currency, basis, calendar, position)
    portfolio.set_held(held)
    portfolio.first_session = None if first is None else calendar.of_date(first)
    return portfolio


def load_facts(store: Store, schema: str, portfolios: Iterable[Portfolio]) -> None:
    """Load what the last rows of portfolios carry, and the facts that wait."""
    listed = list(portfolios)
    begun = [each for each in listed if each.first_session is not None]
    spans = [Span(each, len(each.calendar) - 1, len(each.calendar) - 1) for each in begun]
    for span, rows in zip(spans, store.days.stored(store.cursor, spans), strict=True):
        span.portfolio.carried = rows[span.last][1]
    load_waiting(store.cursor, schema, store.ledger, listed)


def write_portfolios(
    cursor: psycopg.Cursor[Any], schema: str, portfolios: Iterable[Portfolio]
) -> None:
    """Write the rows of portfolios, known or new."""
    lines = [_portfolio_line(portfolio) for portfolio in portfolios]
    table = f"{schema}.portfolios"
    upsert_lines(cursor, table, PORTFOLIO_COLUMNS, lines, key="tenant, portfolio")


def _portfolio_line(portfolio: Portfolio) -> str:
    first = portfolio.first_session
    session = None if first is None else portfolio.calendar.days[first]
    return (
        f"{text(portfolio.tenant)}\t{text(portfolio.name)}\t{portfolio.base_currency}\t"
        f"{portfolio.cost_basis}\t{text(portfolio.calendar.name)}\t{portfolio.opened_position}\t"
        f"{moment(session)}\t{text(portfolio.held().decode())}\n"
    )
