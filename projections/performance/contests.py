"""The rows of contests, of who takes part, and of the ranks that the log tells.

A strike of `edition` 0 is of a session before the end; the results are counted from 1.
"""

from typing import Any

import msgspec
import psycopg

from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    ContestEvent,
    EntrantDisqualified,
    EntryEvent,
    EntryWithdrawn,
    Rank,
    ResultStruck,
    StruckEvent,
)
from projections.asking import Readable, ask
from projections.performance.tables import NULL, copy_lines, moment, text, upsert_lines

CONTEST_COLUMNS = (
    "tenant, contest, calendar, first_day, last_day, first_session, last_session, terms, position"
)
CONTESTANT_COLUMNS = "tenant, contest, participant, portfolio, status, reason, changed_position"
STRIKE_COLUMNS = (
    "tenant, contest, session, edition, position, inputs_position, market_position, method,"
    " calculation, reason, caused_at"
)
RANK_COLUMNS = "tenant, contest, participant, session, edition, place, row"
STATUSES: dict[type[EntryEvent], str] = {
    ContestEntered: "entered",
    EntryWithdrawn: "withdrawn",
    EntrantDisqualified: "disqualified",
}

_TEXT = 'text COLLATE "C"'
_DDL = f"""
CREATE TABLE {{schema}}.contests (
    tenant {_TEXT}, contest {_TEXT}, calendar {_TEXT} NOT NULL, first_day date NOT NULL,
    last_day date NOT NULL, first_session date NOT NULL, last_session date NOT NULL,
    terms text NOT NULL, position bigint NOT NULL,
    PRIMARY KEY (tenant, contest)
);
CREATE TABLE {{schema}}.contestants (
    tenant {_TEXT}, contest {_TEXT}, participant {_TEXT}, portfolio {_TEXT} NOT NULL,
    status text NOT NULL, reason text, changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, contest, participant)
);
CREATE INDEX ON {{schema}}.contestants (changed_position);
CREATE INDEX ON {{schema}}.contestants (tenant, portfolio);
CREATE TABLE {{schema}}.strikes (
    tenant {_TEXT}, contest {_TEXT}, session date, edition bigint, position bigint NOT NULL,
    inputs_position bigint NOT NULL, market_position bigint NOT NULL, method text NOT NULL,
    calculation text NOT NULL, reason text, caused_at bigint,
    PRIMARY KEY (tenant, contest, session, edition)
);
CREATE TABLE {{schema}}.ranks (
    tenant {_TEXT}, contest {_TEXT}, participant {_TEXT}, session date, edition bigint,
    place bigint NOT NULL, row text NOT NULL,
    PRIMARY KEY (tenant, contest, participant, session, edition)
);
CREATE INDEX ON {{schema}}.ranks (tenant, contest, session, edition, place);
"""


def ddl(schema: str) -> str:
    """Give the statements that make the tables."""
    return _DDL.format(schema=schema)


class Contests:
    """What was told of contests and is not yet written."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._announced: list[str] = []
        self._contestants: dict[tuple[str, str, str], str] = {}
        self._strikes: list[str] = []
        self._ranks: list[str] = []

    def add(self, event: ContestEvent, position: int, tenant: str) -> None:
        """Take an event."""
        if isinstance(event, ContestAnnounced):
            self._announced.append(_announced(event, position, tenant))
        elif isinstance(event, ContestEntered | EntryWithdrawn | EntrantDisqualified):
            key = tenant, event.contest, event.participant
            self._contestants[key] = _contestant(event, position, tenant)
        else:
            self._strike(event, position, tenant)

    def _strike(self, event: StruckEvent, position: int, tenant: str) -> None:
        result = event if isinstance(event, ResultStruck) else None
        edition = result.edition if result else 0
        own = f"{text(tenant)}\t{text(event.contest)}"
        if event.page == 1:
            reason = text(result.reason) if result else NULL
            caused_at = NULL if result is None or result.caused_at is None else result.caused_at
            self._strikes.append(
                f"{own}\t{moment(event.session)}\t{edition}\t{position}\t{event.position}\t"
                f"{event.market_position}\t{text(event.method)}\t{text(event.calculation)}\t"
                f"{reason}\t{caused_at}\n"
            )
        # Pages are told in order and hold the same number each but the last.
        first = position << 16
        self._ranks += [
            f"{own}\t{text(rank.participant)}\t{moment(event.session)}\t{edition}\t"
            f"{first + place}\t{text(_json(rank))}\n"
            for place, rank in enumerate(event.ranks)
        ]

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        for table, columns, lines in (
            ("contests", CONTEST_COLUMNS, self._announced),
            ("strikes", STRIKE_COLUMNS, self._strikes),
            ("ranks", RANK_COLUMNS, self._ranks),
        ):
            if lines:
                copy_lines(cursor, f"{self._schema}.{table}", columns, lines)
                lines.clear()
        if self._contestants:
            upsert_lines(
                cursor,
                f"{self._schema}.contestants",
                CONTESTANT_COLUMNS,
                list(self._contestants.values()),
                key="tenant, contest, participant",
            )
            self._contestants = {}


def _announced(event: ContestAnnounced, position: int, tenant: str) -> str:
    terms = event.terms
    return (
        f"{text(tenant)}\t{text(event.contest)}\t{text(terms.calendar)}\t{moment(terms.first_day)}"
        f"\t{moment(terms.last_day)}\t{moment(event.first_session)}\t{moment(event.last_session)}\t"
        f"{text(_json(terms))}\t{position}\n"
    )


def _contestant(event: EntryEvent, position: int, tenant: str) -> str:
    reason = text(event.reason) if isinstance(event, EntrantDisqualified) else NULL
    return (
        f"{text(tenant)}\t{text(event.contest)}\t{text(event.participant)}\t"
        f"{text(event.portfolio)}\t{STATUSES[type(event)]}\t{reason}\t{position}\n"
    )


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def read_rank(row: str) -> Rank:
    """Read a row of `ranks` back."""
    return msgspec.json.decode(row, type=Rank)


def any_contest(readable: Readable) -> bool:
    """Say whether any contest is announced.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    return bool(ask(readable, "performance", "1 FROM {schema}.contests LIMIT 1", ()).rows)
