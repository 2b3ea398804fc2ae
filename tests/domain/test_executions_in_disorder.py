"""Real executions in pieces, late, amended, busted: the books are those of book order.

All 9,367 of them go through a desk in `tests/whole`.
"""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from domain.lots import CostBasis
from domain.portfolio.booking import cash_change
from domain.portfolio.events import LotsRestated, TradeBooked, TradeUnbooked
from domain.refolding import refold
from tests.domain.blotter import CASH, Blotter, booked_in_order
from tests.domain.executions import arrivals, read_executions
from tests.domain.scenes import FUND, instrument

EXECUTIONS_TOLD = 2_500

Parts = defaultdict[tuple[str, date], Decimal]


def realised_of(blotter: Blotter) -> Parts:
    """What the events say was realised, gross, by instrument and date."""
    parts: Parts = defaultdict(Decimal)
    for events in blotter.commands:
        for event in events:
            if isinstance(event, TradeBooked | TradeUnbooked):
                parts[event.instrument, event.fill.trade_date] += event.realised_gross
            elif isinstance(event, LotsRestated):
                for change in event.changes:
                    parts[event.instrument, change.trade_date] += change.gross
    return defaultdict(Decimal, {key: amount for key, amount in parts.items() if amount})


@pytest.mark.slow
@pytest.mark.parametrize("basis", CostBasis)
def test_ends_in_the_books_of_book_order(shared_data: Path, basis: CostBasis) -> None:
    """Lots, totals, cash, and what was realised on each date."""
    executions = read_executions(shared_data)[:EXECUTIONS_TOLD]
    blotter = Blotter(basis)
    for name in {row["symbol"] for row in executions}:
        blotter.instruments[name] = instrument(name)

    blotter.tell(*(message for _, message in arrivals(executions, Random(20_04))))

    final = {name: fills for (_, name), fills in booked_in_order(blotter).items()}
    held = blotter.portfolios[FUND]
    expected: Parts = defaultdict(Decimal)
    for name, fills in final.items():
        book, steps = refold(fills, basis)
        found = held.book(name)
        assert list(found.lots) == list(book.lots)
        assert (found.quantity, found.cost, found.fees) == (book.quantity, book.cost, book.fees)
        assert found.realised_gross == book.realised_gross
        assert found.realised_net == book.realised_net
        for fill, matching in steps:
            expected[name, fill.trade_date] += matching.realised_gross
    assert held.balance("USD") == CASH + sum(
        cash_change(each) for fills in final.values() for each in fills
    )
    told_parts = realised_of(blotter)
    assert told_parts == {key: amount for key, amount in expected.items() if amount}
    assert sum(len(fills) for fills in final.values()) > 2 * EXECUTIONS_TOLD
    assert any(isinstance(event, TradeUnbooked) for events in blotter.commands for event in events)
