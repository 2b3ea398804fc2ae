"""The rows of `days`: written when struck, written again when restated, read to go on from.

Beside them the rows of `figures`: what the log tells of a struck day, once it does.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
import psycopg

from domain.figures import FiguresStruck
from projections.performance.state import Carried, Portfolio, Session
from projections.performance.tables import (
    CURRENT_COLUMNS,
    FIGURE_COLUMNS,
    NULL,
    RESTATED_DAY_COLUMNS,
    STRUCK_DAY_COLUMNS,
    copy_lines,
    moment,
    names,
    number,
    struck_part,
    text,
    upsert_lines,
)
from projections.performance.valuation import Current, carried_from

_STORED = """
SELECT asked.number, days.session, {columns}
FROM unnest(%s::text[], %s::text[], %s::date[], %s::date[]) WITH ORDINALITY
    AS asked (tenant, portfolio, earliest, latest, number)
JOIN {schema}.days ON days.tenant = asked.tenant AND days.portfolio = asked.portfolio
    AND days.session BETWEEN asked.earliest AND asked.latest
"""

_HAND_ON = """
UPDATE {schema}.days SET carried = %s WHERE tenant = %s AND portfolio = %s AND session = %s
"""


class Span(NamedTuple):
    """Closed sessions of a portfolio, both ends included."""

    portfolio: Portfolio
    first: int
    last: int


class Days:
    """The days of one schema; those struck and not yet written are lines for COPY."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._table = f"{schema}.days"
        self._struck: list[str] = []
        self._figures: list[str] = []
        self._restated: list[str] = []
        self._handed_on: list[tuple[str | None, str, str, date]] = []

    def strike(
        self, portfolio: Portfolio, session: Session, current: Current, position: int
    ) -> None:
        """Add the row of a session that has just closed: what is known now is what is struck."""
        line = _current_line(current)
        self._struck.append(
            f"{_key_line(portfolio, session)}\t{position}\t{struck_part(line)}\t{line}"
            f"\t{position}\n"
        )

    def tell_figures(self, position: int, tenant: str, event: FiguresStruck) -> None:
        """Add what the log tells of the figures of a struck day."""
        figures = msgspec.json.encode(event.figures, order="deterministic").decode()
        self._figures.append(
            f"{text(tenant)}\t{text(event.portfolio)}\t{moment(event.session)}\t{position}\t"
            f"{event.closed_at}\t{event.currency}\t{text(figures)}\n"
        )

    def restate(
        self, portfolio: Portfolio, session: Session, current: Current, cause: tuple[int, str]
    ) -> None:
        """Write what is now known of a closed session; `cause` is position and reason."""
        position, reason = cause
        self._restated.append(
            f"{_key_line(portfolio, session)}\t{_current_line(current)}"
            f"\t{position}\t{reason}\t{position}\n"
        )

    def hand_on(self, portfolio: Portfolio, session: Session, current: Current) -> None:
        """Write what a row of a gap hands to the next one; what it shows has not changed."""
        row = (current.carried, portfolio.tenant, portfolio.name, session.day)
        self._handed_on.append(row)

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the rows that came since the last time."""
        if self._struck:
            copy_lines(cursor, self._table, STRUCK_DAY_COLUMNS, self._struck)
            self._struck = []
        if self._figures:
            copy_lines(cursor, f"{self._schema}.figures", FIGURE_COLUMNS, self._figures)
            self._figures = []
        if self._restated:
            upsert_lines(
                cursor,
                self._table,
                RESTATED_DAY_COLUMNS,
                self._restated,
                key="tenant, portfolio, session",
            )
            self._restated = []
        if self._handed_on:
            cursor.executemany(_HAND_ON.format(schema=self._schema).encode(), self._handed_on)
            self._handed_on = []

    def stored(
        self, cursor: psycopg.Cursor[Any], spans: Sequence[Span]
    ) -> list[dict[int, tuple[Current, Carried]]]:
        """Read, by session index, what the rows of some spans say and hand on."""
        self.flush(cursor)
        parameters = (
            [span.portfolio.tenant for span in spans],
            [span.portfolio.name for span in spans],
            [span.portfolio.calendar.days[span.first] for span in spans],
            [span.portfolio.calendar.days[span.last] for span in spans],
        )
        statement = _STORED.format(schema=self._schema, columns=CURRENT_COLUMNS)
        cursor.execute(statement.encode(), parameters)
        found: list[dict[int, tuple[Current, Carried]]] = [{} for _ in spans]
        for ordinal, day, *columns in cursor:
            columns[3:6] = (tuple(each) for each in columns[3:6])
            current = Current(*columns)
            carried = carried_from(current, day)
            index = spans[ordinal - 1].portfolio.calendar.of_date(day)
            found[ordinal - 1][index] = (current, carried)
        return found


def _key_line(portfolio: Portfolio, session: Session) -> str:
    return (
        f"{text(portfolio.tenant)}\t{text(portfolio.name)}\t{moment(session.day)}\t"
        f"{moment(session.ends_at)}\t{portfolio.base_currency}"
    )


def _current_line(current: Current) -> str:
    return "\t".join(
        (
            number(current.nav),
            current.nav_status,
            number(current.priced),
            names(current.unpriced),
            names(current.stale),
            names(current.priced_by_trade),
            number(current.flows),
            number(current.daily_return),
            current.return_reason or NULL,
            current.return_method or NULL,
            moment(current.return_from),
            "t" if current.is_emptied else "f",
            text(current.carried),
        )
    )
