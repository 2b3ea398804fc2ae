"""Asking what each fill realised, in its currency and in base (convention 8)."""

from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from domain.lots import CostBasis
from domain.portfolio.events import PortfolioOpened, TradeBooked
from projections.asking import Readable
from projections.performance.realised import RealisedFill, realised_of
from tests.projections.performance.telling import ACME, BOOK, at, closed, day, marked, opened, trade
from tests.projections.performance.test_bridging import told

Connection = psycopg.Connection[Any]


class TestRealised:
    """What each fill realised."""

    STORY = (
        opened(),
        trade("SAP", "10", "100", 1, moment=at(1, 15), currency="EUR", fee="2"),
        trade("AAPL", "5", "10", 1),
        closed(1),
        trade("SAP", "-4", "120", 2, moment=at(2, 15), currency="EUR", fee="1"),
        trade("AAPL", "-5", "11", 3),
    )
    RATES = (marked(at(1, 14), {"EUR/USD": "1.10"}), marked(at(2, 14), {"EUR/USD": "1.20"}))

    def rows(self, connection: Connection, **asked: Any) -> list[RealisedFill]:
        """The fills that closed something."""
        return realised_of(Readable(connection), tenant=ACME, portfolio=BOOK, **asked).rows

    def test_is_split_by_price_and_currency(self, connection: Connection) -> None:
        """4 SAP from 100 at 1.10 to 120 at 1.20; 5 AAPL in base: no currency part."""
        told(connection, [*self.STORY, *self.RATES])

        sap, apple = self.rows(connection)

        assert [sap.closed, sap.realised_gross, sap.realised_net] == [4, 80, Decimal("78.2")]
        assert [sap.price_part, sap.fx_part, sap.base_gross] == [96, 40, 136]
        assert sap.base_fees == Decimal("1.2") + Decimal("0.8") * Decimal("1.1")
        assert sap.base_net == Decimal("133.92")
        assert apple.trade_date == day(3)
        assert [apple.price_part, apple.fx_part] == [5, 0]

    def test_has_no_parts_without_a_rate(self, connection: Connection) -> None:
        """What it realised in its own currency is known all the same."""
        told(connection, self.STORY)

        sap, apple = self.rows(connection)

        assert sap.realised_gross == 80
        assert [sap.rate_to_base, sap.price_part, sap.base_net] == [None, None, None]
        assert apple.base_net == 5

    def test_has_none_where_only_the_opening_has_no_rate(self, connection: Connection) -> None:
        """The first rate came between the two: what the lot cost in base is not known."""
        told(connection, [
            opened(),
            trade("SAP", "10", "100", 1, moment=at(1, 15), currency="EUR"),
            marked(at(1, 16), {"EUR/USD": "1.10"}),
            trade("SAP", "-4", "120", 1, moment=at(1, 17), currency="EUR"),
        ])  # fmt: skip

        (row,) = self.rows(connection)

        assert row.realised_gross == 80
        assert [row.rate_to_base, row.price_part, row.base_net] == [Decimal("1.10"), None, None]

    def test_closes_the_lots_that_a_fill_names(self, connection: Connection) -> None:
        """SPECIFIC: of two lots the second, which cost 20."""
        owner, opening = opened()
        assert isinstance(opening, PortfolioOpened)
        specific = msgspec.structs.replace(opening, cost_basis=CostBasis.SPECIFIC)
        second = trade("AAPL", "1", "20", 1, name="second")
        _, sale = trade("AAPL", "-1", "30", 2)
        assert isinstance(second[1], TradeBooked)
        assert isinstance(sale, TradeBooked)
        fill = msgspec.structs.replace(sale.fill, closes=(second[1].fill.trade_id,))
        naming = msgspec.structs.replace(sale, fill=fill)
        told(connection, [
            (owner, specific), trade("AAPL", "1", "10", 1, name="first"), second, (owner, naming),
        ])  # fmt: skip

        (row,) = self.rows(connection)

        assert row.price_part == 10

    def test_is_of_the_trade_dates_asked_for(self, connection: Connection) -> None:
        """Both ends included, open sessions too; page by page the same."""
        told(connection, [*self.STORY, *self.RATES])
        both = self.rows(connection)

        assert self.rows(connection, since=day(2), until=day(2)) == both[:1]
        assert self.rows(connection, since=day(3)) == both[1:]
        page = realised_of(Readable(connection), tenant=ACME, portfolio=BOOK, limit=1)
        assert page.rows == both[:1]
        assert self.rows(connection, cursor=page.next_cursor) == both[1:]
        assert not self.rows(connection, since=day(4))
