"""The same facts in any order of arrival give equal `current` tables (conventions 1 and 6)."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass, InstrumentRegistered
from domain.lots import CostBasis
from domain.market import Close, SessionClosed
from domain.trade import Capture
from infra.database import Database
from infra.read_models import READ_MODELS
from projections.building import Connection, connect
from projections.gathering import send
from projections.read_model import Decoded
from tests.domain.blotter import LATER, Blotter, Message, tell_in_book_order
from tests.domain.scenes import ACME, APPLE, FRIDAY_NOON, MONDAY
from tests.domain.test_trade_correction_laws import stories
from tests.projections.current_tables import current
from tests.projections.folding import make_tables
from tests.projections.story import NEW_YORK, closing, opening

SESSIONS = tuple(MONDAY + timedelta(days=number) for number in range(4))
TABLES = [f"{model.name}.{table}" for model in READ_MODELS for table in model.compared_tables]
BEGINNING = [
    (
        MARKET_TENANT,
        InstrumentRegistered(
            instrument=name,
            symbol=name,
            currency="USD",
            asset_class=AssetClass.EQUITY,
            calendar=NEW_YORK,
        ),
    )
    for name in (APPLE, LATER)
]
Told = list[tuple[str, Event]]


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """The empty tables of all read models, in a database without a log."""
    with connect(database.app_conninfo, application_name="test") as connection:
        connection.execute("SET client_min_messages = warning")
        for model in READ_MODELS:
            make_tables(connection, model, model.name)
        yield connection


def close(session: date, price: int) -> tuple[str, Event]:
    """A session's end; both instruments close at prices that follow from one number."""
    return MARKET_TENANT, SessionClosed(
        calendar=NEW_YORK,
        session=session,
        starts_at=opening(session),
        ends_at=closing(session),
        closes=(
            Close(instrument=APPLE, price=Decimal(price)),
            Close(instrument=LATER, price=Decimal(price + 2)),
        ),
    )


def booked(blotter: Blotter) -> Told:
    """Every event that a blotter decided."""
    return [(ACME, event) for command in blotter.commands for event in command]


def shown(connection: Connection, told: Told, size: int) -> dict[str, list[tuple[object, ...]]]:
    """What all tables show behind these events, folded in batches of a size, then forgotten."""
    events = [
        Decoded(position, tenant, FRIDAY_NOON, event, UUID(int=position))
        for position, (tenant, event) in enumerate(BEGINNING + told, start=1)
    ]
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        for model in READ_MODELS:
            fold = model.new_fold(model.name)
            own = [each for each in events if type(each.event) in model.event_types]
            for start in range(0, len(own), size):
                fold.fold(cursor, own[start : start + size])
                send(cursor)
        return {table: current(connection, table, ACME) for table in TABLES}


def interleaved(events: Told, sessions: Told, places: Sequence[int]) -> Told:
    """Sessions that end somewhere among the events, in their order."""
    told = events.copy()
    spots = sorted((place % (len(events) + 1) for place in places), reverse=True)
    for spot, session in zip(spots, reversed(sessions), strict=True):
        told.insert(spot, session)
    return told


class TestArrivingInAnyOrder:
    """Captures, amends and busts, shuffled and repeated, among sessions that end meanwhile."""

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        story=stories(),
        basis=st.sampled_from(CostBasis),
        price=st.integers(1, 20),
        places=st.lists(st.integers(0, 99), min_size=4, max_size=4),
        size=st.sampled_from([1, 3, 1_000]),
    )
    def test_shows_what_book_order_shows(
        self,
        tables: Connection,
        story: tuple[list[Message], list[Capture]],
        basis: CostBasis,
        price: int,
        places: list[int],
        size: int,
    ) -> None:
        """Every table of every read model, row by row, but for what says how it was told."""
        messages, final = story
        sessions = [close(session, price + day) for day, session in enumerate(SESSIONS)]
        blotter = Blotter(basis)
        blotter.tell(*messages)

        went = shown(tables, interleaved(booked(blotter), sessions, places), size)

        expected = shown(tables, booked(tell_in_book_order(final, basis)) + sessions, 1_000)
        for table in TABLES:
            assert went[table] == expected[table], table
