"""Questions asked together are answered as each is alone."""

from collections.abc import Iterator, Sequence

import pytest

from eventstore.log import Log
from infra.database import Database
from projections.alerts.model import Alerts
from projections.alerts.queries import alerts_changed
from projections.asking import Readable
from projections.building import create_schema, nothing_folded
from projections.cash.changed import balances_changed
from projections.cash.model import Cash
from projections.changed import Changed, Owner, Question
from projections.checkpoint import RETIRED
from projections.positions.changed import holdings_changed, portfolios_changed
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.reading import Reading
from projections.together import Wanted
from projections.trades.changed import trades_changed
from projections.trades.model import Trades
from tests.projections.conftest import Connection
from tests.projections.test_changed import ROWS, fill

TABLES: dict[ReadModel, tuple[str, ...]] = {
    Positions(): ("positions", "portfolios"),
    Cash(): ("balances",),
    Trades(): ("trades",),
    Alerts(): ("alerts",),
}
# `fill` names tenants and portfolios by their numbers.
OWNERS: Sequence[Owner] = [("390", "390"), ("391", "391"), ("399", "399"), ("nobody", "no")]
TENANTS = [tenant for tenant, _ in OWNERS]


def questions(after: int | None) -> list[Question]:
    """Make one of each kind, which gives columns as they come: not all that is filled has sense."""
    made = [
        holdings_changed(OWNERS, after=after),
        portfolios_changed(TENANTS, after=after or 0),
        balances_changed(OWNERS, after=after),
        trades_changed(OWNERS, after=after),
        alerts_changed(TENANTS, after=after),
    ]
    return [each._replace(row=tuple) for each in made]


@pytest.fixture
def tables(log: Log, connection: Connection) -> Connection:
    """Fill all that is asked."""
    for model, names in TABLES.items():
        create_schema(connection, model, model.name, nothing_folded(model, log))
        for name in names:
            fill(connection, model.name, name)
    return connection


@pytest.fixture
def reading(log_database: Database) -> Iterator[Reading]:
    """Read on one connection, so that all is asked on the same."""
    with Reading(log_database.app_conninfo, pool_size=1) as made:
        yield made


def together(reading: Reading, asked: Sequence[Question]) -> list[Changed | None]:
    """Ask at once."""
    found = reading.together([Wanted(each.model, each.rows, each.parameters) for each in asked])
    return [
        None if each is None else question.changed(each.answered)
        for question, each in zip(asked, found, strict=True)
    ]


@pytest.mark.parametrize("after", [None, 0, 390, ROWS])
def test_each_is_answered_as_alone(tables: Connection, reading: Reading, after: int | None) -> None:
    """All rows, many, a few and none; also when it is asked again."""
    asked = questions(after)
    alone = [reading.answer(question.asked) for question in asked]
    assert after == ROWS or any(each.rows for each in alone)

    assert together(reading, asked) == alone
    assert together(reading, asked) == alone


def test_the_state_of_the_tables_is_told(tables: Connection, reading: Reading) -> None:
    """As an answer alone tells it."""
    tables.execute("UPDATE cash.checkpoint SET position = 7, edition = 3")
    question = balances_changed(OWNERS, after=0)

    def seen(readable: Readable) -> object:
        states = readable._replace(seen={})
        question.asked(states)
        return states.seen

    (found,) = reading.together([Wanted("cash", question.rows, question.parameters)])

    assert found is not None
    assert {"cash": found.state} == reading.answer(seen)


def test_tables_that_are_put_away_have_no_answer(tables: Connection, reading: Reading) -> None:
    """The others have theirs."""
    asked = questions(390)
    tables.execute("UPDATE cash.checkpoint SET edition = %s", (RETIRED,))

    found = together(reading, asked)

    assert [each is None for each in found] == [False, False, True, False, False]


@pytest.mark.parametrize("of", ["TABLE trades.{}", "SCHEMA {}"])
def test_of_one_that_fails_none_has_an_answer(
    tables: Connection, reading: Reading, of: str
) -> None:
    """Prepared before or not; afterwards all have theirs again, on the same connection."""
    asked = questions(390)

    def rename(before: str, after: str) -> None:
        tables.execute(f"ALTER {of.format(before)} RENAME TO {after}".encode())

    rename("trades", "gone")
    assert together(reading, asked) == [None] * len(asked)
    rename("gone", "trades")
    answered = together(reading, asked)
    rename("trades", "gone")
    assert together(reading, asked) == [None] * len(asked)
    rename("gone", "trades")

    assert None not in answered
    assert together(reading, asked) == answered


def test_what_the_session_let_go_is_prepared_again(tables: Connection, reading: Reading) -> None:
    """As the driver lets go of all when a transaction is rolled back."""
    asked = questions(390)
    answered = together(reading, asked)

    def let_go(readable: Readable) -> None:
        readable.connection.execute("DEALLOCATE ALL")

    reading.answer(let_go)

    assert None not in answered
    assert together(reading, asked) == [None] * len(asked)
    assert together(reading, asked) == answered
