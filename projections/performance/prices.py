"""Marks and rates: written as they come, and answered for any moment (convention 5).

The price in force at a moment is the last mark with business time up to it; of several with one
business time, the one latest in the log. A write-down is a mark that is never stale. A corrected
close stands at its correction's position; a cancelled one keeps its row without a price.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from domain.instrument import WrittenDown
from domain.market import CloseCorrected, FollowingClose, MarketMarked, SessionClosed
from projections.performance.state import Quote, universal
from projections.performance.tables import (
    MARK_COLUMNS,
    NULL,
    copy_lines,
    moment,
    names,
    text,
)

ACCEPTED = "accepted"
SUSPECT = "suspect"
CORRECTED = "corrected"
CANCELLED = "cancelled"
WRITTEN_DOWN = "written_down"

ASKED_MAX = 20_000
ANSWERS_MAX = 300_000

_AT_MOMENTS = "unnest(%s::text[], %s::timestamptz[])"
_AT_ONE = "(SELECT name, %s::timestamptz FROM unnest(%s::text[]) AS named (name))"
_IN_FORCE = """
SELECT asked.name, asked.at, found.at, found.price, found.is_written_down, found.session
FROM {asked} AS asked (name, at)
CROSS JOIN LATERAL (
    SELECT marks.at, marks.price, marks.status IS NOT DISTINCT FROM 'written_down'
        AS is_written_down, marks.session
    FROM {schema}.marks
    WHERE marks.name = asked.name AND marks.at <= asked.at AND marks.price IS NOT NULL
    ORDER BY marks.at DESC, marks.position DESC LIMIT 1
) AS found
"""
_NEXT = """
SELECT asked.name, (
    SELECT min(marks.at) FROM {schema}.marks
    WHERE marks.name = asked.name AND marks.at > %s AND marks.price IS NOT NULL
)
FROM unnest(%s::text[]) AS asked (name)
"""
_CORRECT = """
UPDATE {schema}.marks SET position = %(position)s, corrected_position = %(position)s,
    price = %(price)s, replaces = %(replaces)s, reason = %(reason)s, status = %(status)s,
    findings = %(findings)s
WHERE name = %(name)s AND at = %(at)s AND calendar = %(calendar)s AND session = %(session)s
"""
_INSERT_CORRECTED = """
INSERT INTO {schema}.marks (name, at, position, price, calendar, session, status, findings,
    replaces, reason, corrected_position)
VALUES (%(name)s, %(at)s, %(position)s, %(price)s, %(calendar)s, %(session)s, %(status)s,
    %(findings)s, %(replaces)s, %(reason)s, %(position)s)
"""
_JUDGE_ANEW = """
UPDATE {schema}.marks SET findings = %(findings)s, status = CASE
    WHEN price IS NULL THEN 'cancelled'
    WHEN cardinality(%(findings)s::text[]) > 0 THEN 'suspect'
    WHEN corrected_position IS NOT NULL THEN 'corrected' ELSE 'accepted' END
WHERE name = %(name)s AND at = %(at)s AND calendar = %(calendar)s AND session = %(session)s
"""


class Prices:
    """The marks of one schema: those not yet written, and answers already found."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.marks"
        self._schema = schema
        self._arrived: list[str] = []
        self._answers: dict[datetime, dict[str, Quote | None]] = {}
        self._answered = 0

    def add_marks(self, event: MarketMarked, position: int) -> list[str]:
        """Take marks and rates; give their names."""
        marks = {mark.instrument: mark.price for mark in event.marks}
        marks |= {f"{rate.base}/{rate.quote}": rate.rate for rate in event.rates}
        behind = f"\t{moment(universal(event.at))}\t{position}\t"
        rest = f"\t{NULL}\t{NULL}\t{NULL}\t{NULL}\n"
        self._arrived += [f"{text(name)}{behind}{price!s}{rest}" for name, price in marks.items()]
        return list(marks)

    def add_write_down(self, event: WrittenDown, position: int) -> list[str]:
        """Take a write-down; give the name of what is written down."""
        at = moment(universal(event.at))
        behind = f"\t{at}\t{position}\t{event.price}\t{NULL}\t{NULL}\t{WRITTEN_DOWN}\t{NULL}\n"
        self._arrived.append(text(event.instrument) + behind)
        return [event.instrument]

    def add_closes(self, event: SessionClosed, position: int) -> dict[str, Quote]:
        """Take a session's closes; give them as the quotes in force at its end."""
        at = universal(event.ends_at)
        behind = f"\t{moment(at)}\t{position}\t"
        rest = f"\t{text(event.calendar)}\t{moment(event.session)}\t"
        clean = f"{ACCEPTED}\t{{}}\n"
        closes = {close.instrument: close for close in event.closes}
        self._arrived += [
            f"{text(name)}{behind}{close.price!s}{rest}"
            + (f"{SUSPECT}\t{names(close.findings)}\n" if close.findings else clean)
            for name, close in closes.items()
        ]
        on = event.session
        return {name: Quote(at, close.price, on=on) for name, close in closes.items()}

    def correct(self, cursor: psycopg.Cursor[Any], event: CloseCorrected, position: int) -> None:
        """Replace, cancel or add a close."""
        self.flush(cursor)
        status = CANCELLED if event.price is None else SUSPECT if event.findings else CORRECTED
        row = {
            "name": event.instrument,
            "at": universal(event.ends_at),
            "calendar": event.calendar,
            "session": event.session,
            "position": position,
            "price": event.price,
            "replaces": event.replaces,
            "reason": event.reason,
            "status": status,
            "findings": [finding.value for finding in event.findings],
        }
        self._execute(cursor, _CORRECT, row)
        if not cursor.rowcount:
            self._execute(cursor, _INSERT_CORRECTED, row)

    def judge_anew(
        self,
        cursor: psycopg.Cursor[Any],
        event: CloseCorrected,
        following: FollowingClose,
        ends_at: datetime,
    ) -> None:
        """Give the close behind a corrected one its new findings."""
        row = {
            "name": event.instrument,
            "at": ends_at,
            "calendar": event.calendar,
            "session": following.session,
            "findings": [finding.value for finding in following.findings],
        }
        self._execute(cursor, _JUDGE_ANEW, row)

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the marks that came since the last time."""
        if self._arrived:
            copy_lines(cursor, self._table, MARK_COLUMNS, self._arrived)
            self._arrived = []

    def forget(self, changed: Iterable[str]) -> None:
        """Forget the answers for names whose history has changed."""
        listed = list(changed)
        for answers in self._answers.values():
            for name in listed:
                answers.pop(name, None)

    def at(self, at: datetime) -> Mapping[str, Quote | None]:
        """Give the quotes at a moment that `ask` was asked for."""
        return self._answers.get(at, {})

    def ask(self, cursor: psycopg.Cursor[Any], asked: Mapping[datetime, set[str]]) -> None:
        """Find the quotes in force for names at moments; `at` answers them afterwards."""
        if self._answered > ANSWERS_MAX:
            self._answers.clear()
            self._answered = 0
        self.flush(cursor)
        wanted: list[str] = []
        moments: list[datetime] = []
        for at, listed in asked.items():
            answers = self._answers.setdefault(at, {})
            missing = listed.difference(answers)
            answers.update(dict.fromkeys(missing))
            self._answered += len(missing)
            wanted += missing
            moments += [at] * len(missing)
        for start in range(0, len(wanted), ASKED_MAX):
            part = slice(start, start + ASKED_MAX)
            statement = _IN_FORCE.replace("{asked}", _AT_MOMENTS)
            self._execute(cursor, statement, (wanted[part], moments[part]))
            for name, at, *quote in cursor.fetchall():
                self._answers[at][name] = Quote(*quote)

    def answer(self, at: datetime, asked: Iterable[str], found: Mapping[str, Quote]) -> None:
        """Take an answer that somebody else has found."""
        answers = self._answers.setdefault(at, {})
        answers.update(dict.fromkeys(asked))
        answers.update(found)

    def in_force(
        self, cursor: psycopg.Cursor[Any], listed: Iterable[str], at: datetime
    ) -> dict[str, Quote]:
        """Find the quotes in force at one moment, without remembering them."""
        wanted = sorted(listed)
        if not wanted:
            return {}
        self.flush(cursor)
        self._execute(cursor, _IN_FORCE.replace("{asked}", _AT_ONE), (at, wanted))
        return {name: Quote(*quote) for name, _, *quote in cursor.fetchall()}

    def next_after(
        self, cursor: psycopg.Cursor[Any], listed: Iterable[str], at: datetime
    ) -> dict[str, datetime | None]:
        """Find, for each name, when the first mark behind a moment takes over."""
        self.flush(cursor)
        self._execute(cursor, _NEXT, (at, sorted(listed)))
        return dict(cursor.fetchall())

    def _execute(
        self,
        cursor: psycopg.Cursor[Any],
        statement: str,
        parameters: Sequence[object] | Mapping[str, object],
    ) -> None:
        cursor.execute(statement.format(schema=self._schema).encode(), parameters)
