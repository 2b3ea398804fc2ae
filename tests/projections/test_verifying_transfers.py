"""Transfers and changes of basis under verification, in the tables, and as of another time."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.event import Event
from domain.lots import CostBasis
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.events import is_portfolio_event
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.transfers import Transfer
from projections.as_of import Books
from projections.batches import decode_batch
from projections.content_checks import Bookkeeping
from projections.read_model import Decoded
from schemas.catalogue import EVENT_NAMES
from tests.domain.blotter import OTHER_FUND, Day, Rebasing
from tests.domain.scenes import APPLE, FUND, MONDAY, TUESDAY, exact, told
from tests.projections.acted import ActedStory

PAIRED = "what a transfer takes from one portfolio it brings into another"
LOTS = "lots add up to the position in every event"
AVERAGE = CostBasis.AVERAGE


@pytest.fixture
def events() -> list[Decoded]:
    """100 and 100 bought on Monday, pooled from Tuesday on, and 150 of them transferred then."""
    went = ActedStory()
    went.tell(told("t-1", price=Decimal(10)), told("t-2", price=Decimal(20)))
    went.tell(Rebasing(AVERAGE, TUESDAY), Day(TUESDAY))
    went.tell(
        Transfer(
            transfer="m-1",
            portfolio=FUND,
            to_portfolio=OTHER_FUND,
            instrument=APPLE,
            trade_date=TUESDAY,
            quantity=Decimal(150),
        )
    )
    return decode_batch(went.story.recorded(), EVENT_NAMES).decoded


def failed(events: list[Decoded]) -> list[str]:
    """The checks of bookkeeping that do not hold."""
    bookkeeping = Bookkeeping(None)  # type: ignore[arg-type]
    for each in events:
        bookkeeping.take(each)
    return [check.name for check in bookkeeping.finish() if not check.ok]


def with_altered(events: list[Decoded], kind: type[Event], **changes: Any) -> list[Decoded]:
    """The same, one event altered."""
    return [
        each._replace(event=replace(each.event, **changes)) if type(each.event) is kind else each
        for each in events
    ]


class TestVerifying:
    """What does not add up is named."""

    def test_passes_what_was_told(self, events: list[Decoded]) -> None:
        """Nothing altered, nothing found."""
        assert failed(events) == []

    @pytest.mark.parametrize(
        ("kind", "changes", "check"),
        [
            (LotsTransferredIn, {"flow": Decimal(1_049)}, PAIRED),
            (LotsTransferredIn, {"carried": Decimal(0)}, PAIRED),
            (LotsTransferredIn, {"lots": ()}, PAIRED),
            (LotsTransferredIn, {"quantity_change": Decimal(149)}, LOTS),
            (LotsTransferredOut, {"quantity_change": Decimal(-149)}, LOTS),
            (LotsTransferredOut, {"lots": ()}, PAIRED),
        ],
    )
    def test_names_an_altered_event(
        self, events: list[Decoded], kind: type[Event], changes: dict[str, Any], check: str
    ) -> None:
        """A flow, a lot, a quantity."""
        assert check in failed(with_altered(events, kind, **changes))

    def test_names_what_left_and_never_came(self, events: list[Decoded]) -> None:
        """The receiver's event is not there."""
        rest = [each for each in events if not isinstance(each.event, LotsTransferredIn)]

        assert PAIRED in failed(rest)

    def test_names_a_change_of_basis_without_its_pages(self, events: list[Decoded]) -> None:
        """They hold the lots under the new one."""
        place = next(
            number for number, each in enumerate(events) if type(each.event) is CostBasisApplied
        )

        assert LOTS in failed([*events[: place + 1], *events[place + 2 :]])


class TestAsOf:
    """Before the date there is neither."""

    def test_shows_what_stood_on_a_date(self, events: list[Decoded]) -> None:
        """200 by FIFO on Monday; 50 of the pool on Tuesday, 150 over there."""
        held = [
            each
            for each in events
            if is_portfolio_event(each.event) and each.event.portfolio == FUND
        ]

        (monday,) = Books(held, valid_at=MONDAY).positions()
        (tuesday,) = Books(held, valid_at=TUESDAY).positions()

        assert (monday.quantity, monday.cost, monday.cost_basis) == (
            *exact(200, 3_000),
            CostBasis.FIFO,
        )
        assert (tuesday.quantity, tuesday.cost, tuesday.cost_basis) == (*exact(50, 750), AVERAGE)
