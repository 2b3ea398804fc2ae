"""Bridges and what was realised, where corporate actions had a part in it (conventions 7 to 9)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg

from domain.corporate_actions import CashDividend, SpinOff, Split
from domain.lots import CostBasis, Side
from projections.asking import Readable
from projections.performance.bridging import BridgeView, bridge_of
from projections.performance.realised import RealisedFill, realised_of
from tests.domain.blotter import LATER, Day, Declaration, Message, Registration, Reversal
from tests.domain.scenes import APPLE, FUND, MONDAY
from tests.domain.scenes import told as captured
from tests.projections.performance.telling import ACME, at, closed, written_down
from tests.projections.performance.test_acting_laws import FIRST, Scene
from tests.projections.performance.test_bridging import parts, told

Connection = psycopg.Connection[Any]

TUESDAY = MONDAY + timedelta(days=1)
REVERSE = Split(
    action="s", instrument=APPLE, ex_date=TUESDAY, new=1, old=10, fraction_price=Decimal(40)
)
PAYING = CashDividend(
    action="d", instrument=APPLE, ex_date=TUESDAY, per_unit=Decimal(1), currency="USD",
    withholding_rate=Decimal("0.15"), pay_date=TUESDAY,
)  # fmt: skip
SPIN = SpinOff(
    action="spin", instrument=APPLE, ex_date=TUESDAY, child=LATER, new=1, old=10,
    cost_share=Decimal("0.2"), fraction_price=Decimal(4),
)  # fmt: skip
BOUGHT = captured("b", quantity=Decimal(25), price=Decimal(3))
MONDAY_ENDS = (2, closed(FIRST, {APPLE: "3"}))


def tell(connection: Connection, *messages: Message, close: dict[str, str] | None = None) -> None:
    """25 AAPL bought at 3 on Monday, closed there; then messages, and Tuesday's session."""
    end = closed(FIRST + 1, close or {})
    scene = Scene([Registration(), BOUGHT, *messages], [MONDAY_ENDS, (99, end)], CostBasis.FIFO)
    told(connection, scene.told())


def asked(connection: Connection, number: int = FIRST + 1) -> BridgeView:
    """The bridge of Tuesday, or of another day."""
    day = MONDAY + timedelta(days=number - FIRST)
    answer = bridge_of(Readable(connection), tenant=ACME, portfolio=FUND, since=day, until=day)
    assert answer.row is not None
    return answer.row


def realised(connection: Connection) -> list[RealisedFill]:
    """All that was realised."""
    return realised_of(Readable(connection), tenant=ACME, portfolio=FUND).rows


class TestASplit:
    """1 for 10, half a share paid with 20 of cost 15."""

    def test_is_cash_in_lieu_and_nothing_else(self, connection: Connection) -> None:
        """At ten times the price: 2 shares of 30, and 5 realised."""
        tell(connection, Declaration(REVERSE), Day(TUESDAY), close={APPLE: "30"})

        assert parts(asked(connection)) == {"cash_in_lieu": 5}
        (row,) = realised(connection)
        assert [row.closed, row.realised_gross, row.price_part, row.fx_part] == [
            Decimal("0.5"), 5, 5, 0,
        ]  # fmt: skip
        assert (row.action, row.trade_id) == ("s", REVERSE.entry_id)
        assert (row.instrument, row.trade_date, row.executed_at) == (APPLE, TUESDAY, None)

    def test_has_no_bridge_until_the_holder_has_it(self, connection: Connection) -> None:
        """Declared, and reversed: between the market's event and the holder's own."""
        tell(connection, Declaration(REVERSE))
        assert asked(connection).reason == "being_restated"
        assert not parts(asked(connection, FIRST)).get("cash_in_lieu")

        tell(connection, Declaration(REVERSE), Day(TUESDAY), Reversal(REVERSE))
        assert asked(connection).reason == "being_restated"
        tell(connection, Declaration(REVERSE), Day(TUESDAY), Reversal(REVERSE), Day(TUESDAY))
        assert parts(asked(connection)) == {}

    def test_writes_down_in_its_units(self, connection: Connection) -> None:
        """From 3, which is 30 now, to 10: 2 shares lose 20 each."""
        down = written_down(APPLE, "10", at(FIRST + 1, 16))
        market = [MONDAY_ENDS, (99, down), (99, closed(FIRST + 1))]
        messages: list[Message] = [Registration(), BOUGHT, Declaration(REVERSE), Day(TUESDAY)]
        told(connection, Scene(messages, market, CostBasis.FIFO).told())

        assert parts(asked(connection)) == {"cash_in_lieu": 5, "write_downs": -40}


class TestADividend:
    """25 at 1, 15 % withheld."""

    def test_is_a_part_and_a_tax(self, connection: Connection) -> None:
        """And no flow."""
        tell(connection, Declaration(PAYING), Day(TUESDAY), close={APPLE: "3"})

        assert parts(asked(connection)) == {"dividends": 25, "taxes": Decimal("-3.75")}


class TestASpinOff:
    """1 for 10 of a child, a fifth of the cost."""

    def test_lists_the_fraction_and_what_its_lots_closed(self, connection: Connection) -> None:
        """1 child short at 9; 2.5 of cost 15 come: half is paid with 2 of cost 3, one closes."""
        short = captured(
            "short", instrument=LATER, side=Side.SELL, quantity=Decimal(1), price=Decimal(9)
        )
        tell(connection, short, Declaration(SPIN), Day(TUESDAY), close={APPLE: "2", LATER: "5"})

        paid, crossed = realised(connection)
        assert [paid.closed, paid.realised_gross, paid.action] == [Decimal("0.5"), -1, "spin"]
        assert [crossed.closed, crossed.realised_gross, crossed.action] == [-1, 3, "spin"]
        assert {paid.instrument, crossed.instrument} == {LATER}
        found = parts(asked(connection))
        assert [found["cash_in_lieu"], found["realised_price"]] == [-1, 3]
