"""Asking what changed behind a log position: by rows that keep the position of their last change.

One question is asked for many portfolios, whoever watches them. Where more changed than one answer
takes, whoever asked begins anew with all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias

from projections.arrays import array_text
from projections.asking import Answered, Readable, ask

CHANGES_MAX = 50_000
QUESTIONS_MAX = 100
"""Questions kept as they are asked: there are a dozen."""

Owner: TypeAlias = tuple[str, str]
"""A portfolio: its tenant and its name."""


CHANGED = "changed_position BETWEEN %(after)s::bigint + 1 AND 9223372036854775807"
"""The SQL of what changed behind `after`.

For whatever comes behind a position that it does not know, PostgreSQL expects a third of the table,
and reads all of it whenever it plans for any position; of what is between two, half a percent.
"""


TENANTS = "%(tenants)s::text::text[]"
"""An array that is given as one text."""


def changed_of(table: str) -> str:
    """Give the SQL of the rows of a table that changed behind `after`, under the table's name.

    They are found before they are joined: joined at once, the planner, which does not know how
    far behind `after` is, looks at every row of every owner, however long nothing happened to it.
    """
    return f"""(
    SELECT * FROM {{schema}}.{table} WHERE {CHANGED} OFFSET 0
) AS {table}
"""  # noqa: S608 - names of tables


class TooMuchChanged(Exception):
    """More rows changed than one answer takes."""


class Changed(NamedTuple):
    """Rows of one log position."""

    position: int
    market_position: int
    rows: list[tuple[Any, ...]]


class Question(NamedTuple):
    """A question to `model` for rows that changed behind a position, or for all there are.

    `row` makes what is given of each. More rows than `limit`, which is a parameter too, are none.
    """

    model: str
    rows: str
    parameters: Mapping[str, object]
    row: Callable[[tuple[Any, ...]], Any]
    limit: int | None = None
    merge: Callable[[tuple[Any, ...]], Any] | None = None

    def asked(self, readable: Readable) -> Changed:
        """Ask it; of several partitions with `merge` only, as of `ask`.

        Raises:
            ReadModelMissing: there are no tables yet.
            TooMuchChanged: there are more rows than `limit`.
        """
        answered = ask(readable, self.model, self.rows, self.parameters, merge=self.merge)
        return self.changed(answered)

    def changed(self, answered: Answered) -> Changed:
        """Give what an answer tells.

        Raises:
            TooMuchChanged: there are more rows than `limit`.
        """
        if self.limit is not None and len(answered.rows) > self.limit:
            raise TooMuchChanged
        rows = [self.row(each) for each in answered.rows]
        return Changed(answered.position, answered.market_position, rows)


class Owners(tuple[Owner, ...]):  # noqa: SLOT001 - it remembers
    """Portfolios asked about together: whoever asks about the same again keeps them.

    Of 200, the driver takes longer to write them than PostgreSQL for all the rest of a question;
    so does looking up by all their names what was written before.
    """

    @cached_property
    def texts(self) -> tuple[str, str]:
        """Give the arrays of their tenants and of their names; written once."""
        return array_text(tenant for tenant, _ in self), array_text(name for _, name in self)


def question_of_owners(
    model: str,
    rows: str,
    owners: Sequence[Owner],
    row: Callable[[tuple[Any, ...]], Any],
    *,
    limit: int | None = None,
    **named: object,
) -> Question:
    """Make a question for rows of portfolios: `rows` has `{owned}`, a table of their names."""
    tenants, portfolios = (owners if isinstance(owners, Owners) else Owners(owners)).texts
    parameters: dict[str, object] = {"tenants": tenants, "portfolios": portfolios, **named}
    if limit is not None:
        parameters["limit"] = limit + 1
    return Question(model, _of_owners(rows), parameters, row, limit)


def ask_of_owners(
    readable: Readable,
    model: str,
    rows: str,
    owners: Sequence[Owner],
    *,
    limit: int | None = None,
    **named: object,
) -> Changed:
    """Ask for rows of portfolios of one partition: `rows` has `{owned}`, a table of their names.

    Raises:
        ReadModelMissing: there are no tables yet.
        TooMuchChanged: there are more rows than `limit`.
    """
    return question_of_owners(model, rows, owners, tuple, limit=limit, **named).asked(readable)


@lru_cache(maxsize=QUESTIONS_MAX)
def _of_owners(rows: str) -> str:
    return rows.replace(
        "{owned}",
        f"unnest({TENANTS}, %(portfolios)s::text::text[]) AS owned (tenant, portfolio)",
    )
