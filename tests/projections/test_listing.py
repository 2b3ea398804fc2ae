"""Lists of trades: any filter, any sort, pages of any size; and the indexes that serve them."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.database import Database
from infra.embedded_postgres import SUPERUSER, EmbeddedPostgres
from projections.asking import Readable
from projections.building import connect, create_schema
from projections.checkpoint import Checkpoint
from projections.paging import CursorInvalid, Page
from projections.rows import Tables
from projections.sorting import SortTooLong
from projections.trades.model import Trades
from projections.trades.names import NameKind, NameRow, SymbolRow
from projections.trades.queries import SORTS, blotter
from projections.trades.rows import Status, TradeRow
from tests.projections.conftest import Connection
from tests.projections.story import ACME, GLOBEX

SYMBOLS = {"AAPL": ("AAPL",), "FB": ("FB", "META"), "X_1": ("A%",), "x-1": ()}
SOURCES = ("desk-1", "Fix", "oms")
MANY = 60_000
DAY = date(2024, 3, 4)
LATER = date(2024, 1, 2)
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)

amounts = st.sampled_from([Decimal(text) for text in ("0", "-1", "0.10", "10", "9", "1e20")])
days = st.none() | st.integers(0, 4).map(lambda number: DAY + timedelta(number))


@st.composite
def trade_rows(draw: st.DrawFn) -> TradeRow:
    """A row with what can be filtered and sorted by; its position is told later."""
    status = draw(st.sampled_from(list(Status)))
    return TradeRow(
        tenant=draw(st.sampled_from((ACME, ACME, ACME, GLOBEX))),
        position=0,
        trade_id=UUID(int=0),
        status=status,
        portfolio=draw(st.sampled_from(("growth", "income"))),
        instrument=draw(st.sampled_from(list(SYMBOLS))),
        source=draw(st.sampled_from(SOURCES)),
        external_id=draw(st.sampled_from(("fill-1", "fill-2", "FILL-12", "%", "a_b", "\\x12"))),
        intent=draw(st.sampled_from(("proposed", "executed"))),
        side=draw(st.sampled_from(("buy", "sell"))),
        quantity=draw(amounts),
        price=draw(amounts),
        currency=draw(st.sampled_from(("USD", "EUR"))),
        fee=draw(amounts),
        trade_date=draw(days),
        executed_at=draw(st.none() | st.integers(0, 3).map(lambda n: NOON + timedelta(hours=n))),
        consideration=draw(st.none() | amounts),
        cash_change=draw(st.none() | amounts),
        realised_gross=draw(st.none() | amounts),
        realised_net=draw(st.none() | amounts),
        is_late=None,
        breaches=None,
        judged_position=0,
        released_position=None,
        booked_position=None if status is Status.PARKED else draw(st.none() | st.just(1)),
        recorded_at=NOON,
        changed_position=draw(st.integers(0, 3)),
        revision=None,
        reason=None,
        to_portfolio=None,
        block=draw(st.none() | st.just("block-1")),
    )


texts = st.sampled_from(
    ("aapl", "a", "meta", "%", "_", "fill-1", "FILL", "l-1", "x", "desk", "\\", "12", "zzz")
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "portfolio": st.sampled_from(("growth", "none")),
        "instrument": st.sampled_from(list(SYMBOLS)),
        "source": st.sampled_from(SOURCES),
        "side": st.just("buy"),
        "intent": st.just("proposed"),
        "external_id": st.sampled_from(("fill-1", "%")),
        "block": st.just("block-1"),
        "status": st.sampled_from(list(Status)),
        "from_date": days.filter(bool),
        "to_date": days.filter(bool),
        "text": texts,
    },
)
sorts = st.builds(
    lambda sign, name: sign + name, st.sampled_from(("", "-")), st.sampled_from(list(SORTS))
)


def meets(row: TradeRow, wanted: dict[str, Any]) -> bool:
    """Say in plain words what each filter wants."""
    for name, value in wanted.items():
        match name:
            case "text":
                met = is_found(row, value.lower())
            case "from_date":
                met = row.trade_date is not None and row.trade_date >= value
            case "to_date":
                met = row.trade_date is not None and row.trade_date <= value
            case _:
                met = getattr(row, name) == value
        if not met:
            return False
    return True


def is_found(row: TradeRow, text: str) -> bool:
    """Look for a text in every name of a row; in external ids only for three characters."""
    named = (row.instrument, row.source, *SYMBOLS[row.instrument])
    in_a_row = max(
        len(part) for part in "".join(c if c.isalnum() else " " for c in text).split(" ")
    )
    return any(text in name.lower() for name in named) or (
        in_a_row >= 3 and text in row.external_id.lower()
    )


def ordered(rows: list[TradeRow], sort: str) -> list[TradeRow]:
    """Sort as a reader would: by position, then by the field; what has no value comes last."""
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_position = sorted(rows, key=lambda row: row.position, reverse=is_descending)
    given = [row for row in by_position if getattr(row, name) is not None]
    given.sort(key=lambda row: getattr(row, name), reverse=is_descending)
    return given + [row for row in by_position if getattr(row, name) is None]


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database for this file."""
    return new_database()


@pytest.fixture(scope="module")
def connection(database: Database) -> Iterator[Connection]:
    """A connection to tables that hold the names there are."""
    with connect(database.app_conninfo, application_name="test") as made:
        model = Trades()
        stands = Checkpoint(9, 1, None, model.calculation_version, UUID(int=1))
        create_schema(made, model, model.name, stands)
        tables = Tables(model.name)
        with made.cursor() as cursor:
            symbols = [SymbolRow(name, it) for name, told in SYMBOLS.items() for it in told]
            tables.insert(cursor, "symbols", symbols)
            names = [(NameKind.INSTRUMENT, name) for name in SYMBOLS]
            names += [(NameKind.SOURCE, name) for name in SOURCES]
            for tenant in (ACME, GLOBEX):
                tables.insert(cursor, "names", [NameRow(tenant, *named) for named in names])
        yield made


def fill(connection: Connection, rows: list[TradeRow]) -> None:
    """Put rows, and no others, into the table."""
    connection.execute("TRUNCATE trades.trades")
    with connection.cursor() as cursor:
        Tables("trades").insert(cursor, "trades", rows)


def every_page(ask: Callable[..., Page[TradeRow]]) -> list[TradeRow]:
    """Follow the cursors to the end."""
    page = ask(cursor=None)
    rows = page.rows
    while page.next_cursor is not None:
        page = ask(cursor=page.next_cursor)
        assert page.rows, "a cursor leads to at least one row"
        rows = rows + page.rows
    return rows


class TestListing:
    """The pages together are what Python makes of all rows."""

    @given(
        rows=st.lists(trade_rows(), max_size=12),
        wanted=filters,
        sort=sorts,
        limit=st.integers(1, 5),
    )
    @settings(max_examples=60)
    def test_is_filtered_and_sorted_as_in_python(
        self,
        connection: Connection,
        rows: list[TradeRow],
        wanted: dict[str, Any],
        sort: str,
        limit: int,
    ) -> None:
        """Whatever is asked for, by pages of any size."""
        for number, row in enumerate(rows, 1):
            row.position, row.trade_id = number, UUID(int=number)
        fill(connection, rows)
        readable = Readable(connection)

        found = every_page(
            lambda cursor: blotter(
                readable, tenant=ACME, sort=sort, limit=limit, cursor=cursor, **wanted
            )
        )

        expected = [row for row in rows if row.tenant == ACME and meets(row, wanted)]
        assert found == ordered(expected, sort)

    @given(
        rows=st.lists(trade_rows(), min_size=4, max_size=9),
        others=st.lists(trade_rows(), max_size=3),
        sort=sorts,
    )
    @settings(max_examples=25)
    def test_tells_what_stays_once_whatever_comes_and_goes(
        self, connection: Connection, rows: list[TradeRow], others: list[TradeRow], sort: str
    ) -> None:
        """Between two pages, the last row told is taken away and others are put in."""
        for number, row in enumerate(rows + others, 1):
            row.position, row.trade_id, row.tenant = number, UUID(int=number), ACME
        fill(connection, rows)
        readable = Readable(connection)

        first = blotter(readable, tenant=ACME, sort=sort, limit=2)
        stay = [row for row in rows if row.position != first.rows[-1].position]
        fill(connection, stay + others)
        rest = every_page(
            lambda cursor: blotter(
                readable, tenant=ACME, sort=sort, limit=2, cursor=cursor or first.next_cursor
            )
        )

        told = [row.position for row in first.rows[:-1] + rest]
        assert len(told) == len(set(told))
        assert {row.position for row in stay} <= set(told)

    def test_has_cursors_of_its_own(self, connection: Connection) -> None:
        """One of another sort or another filter is refused."""
        fill(connection, [row_at(number) for number in range(1, 4)])
        readable = Readable(connection)
        cursor = blotter(readable, tenant=ACME, sort="side", limit=1).next_cursor

        for asked in ({"sort": "-side"}, {"sort": "side", "side": "buy"}, {}):
            with pytest.raises(CursorInvalid):
                blotter(readable, tenant=ACME, cursor=cursor, **asked)  # type: ignore[arg-type]

    def test_sorts_only_so_many_without_an_index(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sorts that an index gives have no bound, and are named."""
        fill(connection, [row_at(number) for number in range(1, 5)])
        readable = Readable(connection)
        monkeypatch.setattr("projections.sorting.SORTED_ROWS_MAX", 3)

        with pytest.raises(SortTooLong) as refused:
            blotter(readable, tenant=ACME, sort="price")

        assert set(refused.value.indexed) >= {"position", "trade_date", "instrument"}
        assert len(blotter(readable, tenant=ACME, sort="-trade_date").rows) == 4
        assert len(blotter(readable, tenant=ACME, sort="price", instrument="none").rows) == 0


@pytest.fixture(scope="module")
def plans(postgres_server: EmbeddedPostgres, connection: Connection) -> Iterator[Any]:
    """What gives the plans of all statements that a question asks of the full table."""
    connection.execute("TRUNCATE trades.trades")
    connection.execute(_MANY, (MANY,))
    connection.execute("ANALYZE trades.trades")
    conninfo = postgres_server.conninfo(SUPERUSER, connection.info.dbname)
    with psycopg.connect(conninfo, autocommit=True) as explained:
        for statement in _EXPLAINING:
            explained.execute(statement)
        told: list[str] = []
        explained.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))

        def asked(**question: Any) -> str:
            told.clear()
            blotter(Readable(explained), tenant=ACME, limit=100, **question)
            return "\n".join(told)

        yield asked
    connection.execute("TRUNCATE trades.trades")


class TestPlans:
    """What is asked of a table of some size is found by an index."""

    @pytest.mark.parametrize(
        ("wanted", "index"),
        [
            ({"portfolio": "pf-7"}, "trades_tenant_portfolio_position_idx"),
            ({"instrument": "NAME-7"}, "trades_tenant_instrument_position_idx"),
            ({"source": "src-7"}, "trades_tenant_source_position_idx"),
            ({"side": "sell"}, "trades_pkey"),
            ({"intent": "proposed"}, "trades_pkey"),
            ({"external_id": "o-12345"}, "trades_external_id_idx"),
            ({"from_date": LATER, "to_date": LATER}, "trades_tenant_trade_date_position_idx"),
            ({"to_date": date(2023, 1, 2)}, "trades_tenant_trade_date_position_idx"),
            ({"block": "b-7"}, "trades_tenant_block_position_idx"),
            ({"status": Status.BOOKED}, "trades_pkey"),
            ({"status": Status.PARKED}, "trades_tenant_position_idx"),
            ({"status": Status.REFUSED}, "trades_tenant_status_position_idx"),
            ({"status": Status.AMENDED}, "trades_tenant_status_position_idx"),
            ({"status": Status.BUSTED}, "trades_tenant_status_position_idx"),
            ({"status": Status.REASSIGNED}, "trades_tenant_status_position_idx"),
            ({"text": "12345"}, "trades_external_id_idx"),
            ({"text": "AAPL"}, "trades_tenant_instrument_position_idx"),
            ({"text": "desk"}, "trades_tenant_source_position_idx"),
            ({"sort": "position"}, "trades_pkey"),
            ({"sort": "trade_date"}, "trades_tenant_trade_date_position_idx"),
            ({"sort": "-trade_date"}, "trades_tenant_trade_date_position_idx"),
            ({"sort": "-instrument"}, "trades_tenant_instrument_position_idx"),
            ({"sort": "source"}, "trades_tenant_source_position_idx"),
            ({"sort": "-portfolio"}, "trades_tenant_portfolio_position_idx"),
            ({"sort": "-price", "instrument": "NAME-7"}, "trades_tenant_instrument_position_idx"),
        ],
        ids=str,
    )
    def test_use_an_index(
        self, plans: Callable[..., str], wanted: dict[str, Any], index: str
    ) -> None:
        """Never the whole table."""
        told = plans(**wanted)

        assert index in told, told
        assert "Seq Scan on trades" not in told, told


def row_at(position: int) -> TradeRow:
    """One row like the others, at a position."""
    return TradeRow(
        ACME, position, UUID(int=position), Status.BOOKED, "growth", "AAPL", "desk-1", "fill",
        "executed", "buy", Decimal(1), Decimal(1), "USD", Decimal(0), DAY, None, None, None, None,
        None, None, None, 0, None, 1, NOON, 1, None, None, None, None,
    )  # fmt: skip


_MANY = """
INSERT INTO trades.trades (tenant, position, trade_id, status, portfolio, instrument, source,
    external_id, intent, side, quantity, price, currency, fee, trade_date, judged_position,
    booked_position, recorded_at, changed_position, block)
SELECT CASE WHEN n %% 10 = 0 THEN 'globex' ELSE 'acme' END, n, gen_random_uuid(),
    CASE WHEN n %% 500 = 1 THEN 'refused' WHEN n %% 700 = 2 THEN 'busted' WHEN n %% 900 = 3
        THEN 'amended' WHEN n %% 900 = 4 THEN 'reassigned' WHEN n %% 900 = 5 THEN 'parked'
        ELSE 'booked' END,
    'pf-' || n %% 200, 'NAME-' || n %% 300, 'src-' || n %% 40, 'o-' || n,
    CASE WHEN n %% 3 = 0 THEN 'proposed' ELSE 'executed' END,
    CASE WHEN n %% 2 = 0 THEN 'sell' ELSE 'buy' END, n %% 90, n %% 1000, 'USD', 0,
    date '2023-01-01' + n / 100, n - 1, CASE WHEN n %% 900 = 5 THEN NULL ELSE n END,
    now(), n, CASE WHEN n %% 400 = 0 THEN 'b-7' END
FROM generate_series(1, %s) AS n
"""
_EXPLAINING = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_level = 'notice'",
)
