"""A desk that holders are told of, beside a naive model; what both say is compared."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from commands.command import ChangeInstrument, Command, Issued, Outcome
from commands.desk import Desk
from domain.identity import MARKET_TENANT, portfolio_stream
from domain.instrument import InstrumentChange
from domain.lots import CostBasis
from domain.money import ZERO
from domain.portfolio.state import Portfolio
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.expected import Expected
from tests.commands.naive_holder_model import HolderModel
from tests.commands.naive_holders import Due
from tests.commands.naive_lots import NaiveBook
from tests.commands.scenes import WAIT_SECONDS, issue
from tests.commands.test_machine import is_decided, told

CLOSE = Fraction(1, 10**9)
"""Shares of money are rounded to 12 decimals, in the model not at all."""
FIRST_MONDAY = date(2000, 1, 3)


weeks = itertools.count()


class HolderDesk(RuleBasedStateMachine):
    """Each example is a tenant of its own in a week of its own, with instruments of its own."""

    log: Log

    def __init__(self) -> None:
        super().__init__()
        week = next(weeks)
        self.world = f"holders-{week}"
        self.monday = FIRST_MONDAY + timedelta(weeks=week)
        self.now = self.at(6, 12)
        self.model = HolderModel(self.world, self.named("A"), self.named("B"))
        self.issued: list[tuple[Issued, Outcome]] = []
        self.desk = Desk(self.log)
        self.desk.start()

    def teardown(self) -> None:
        """End the desk."""
        self.desk.stop(WAIT_SECONDS)

    def named(self, instrument: str) -> str:
        """An instrument of this world."""
        return f"{self.world}-{instrument}"

    def day(self, number: int) -> date:
        """A day of this world's week."""
        return self.monday + timedelta(days=number)

    def at(self, number: int, hour: int) -> datetime:
        """An hour of such a day."""
        return datetime.combine(self.day(number), time(hour), UTC)

    def do(self, command: Command, expected: Expected, *, tenant: str | None = None) -> None:
        """Issue a command and compare its outcome."""
        issued = issue(command, tenant=tenant or self.world, now=self.now)
        outcome = self.desk.submit(issued).result(WAIT_SECONDS)
        assert told(outcome) == expected, outcome
        self.issued.append((issued, outcome))

    def change(self, change: InstrumentChange, expected: Expected) -> None:
        """Change an instrument."""
        self.do(ChangeInstrument(change), expected, tenant=MARKET_TENANT)

    @precondition(lambda self: any(is_decided(first) for _, first in self.issued))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Send a command again under its own name: its first outcome, whatever the world is now."""
        decided = [(issued, first) for issued, first in self.issued if is_decided(first)]
        issued, first = data.draw(st.sampled_from(decided))

        outcome = self.desk.submit(issued).result(WAIT_SECONDS)

        if first.position is None:  # It wrote no event, so where it stands was not told.
            first = replace(first, position=outcome.position, recorded_at=outcome.recorded_at)
        assert outcome == replace(first, replayed=True)

    @rule()
    def restart(self) -> None:
        """End the desk and start another that knows only the log."""
        self.desk.stop(WAIT_SECONDS)
        self.desk = Desk(self.log)
        self.desk.start()

    @invariant()
    def holders_are_those_of_the_model(self) -> None:
        """Lots, realised parts, cash and dividends due, folded from the log alone."""
        for name in self.model.openings.keys() - self.model.stale:
            folded, expected = self.folded(name), self.model.holder(name)
            for instrument, book in expected.books.items():
                require_alike(folded, instrument, book)
            require_close(folded.balance("USD"), expected.cash)
            due = {(instrument, action): each for instrument, action, each in folded.dues}
            outstanding = self.model.outstanding(name)
            for key in due.keys() | outstanding.keys():
                gross, withheld = (ZERO, ZERO)
                if key in due:
                    gross, withheld = due[key].gross, due[key].withheld
                rest = outstanding.get(key, Due())
                require_close(gross, rest.gross)
                require_close(withheld, rest.withheld)

    def folded(self, portfolio: str) -> Portfolio:
        """Fold a portfolio's stream."""
        folded = Portfolio()
        for each in self.log.read_stream(portfolio_stream(self.world, portfolio)):
            folded.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
        return folded


def require_alike(folded: Portfolio, instrument: str, expected: NaiveBook) -> None:
    """Compare a book: names, dates and quantities exactly, amounts to a billionth.

    Under AVERAGE a lot keeps what is left of its own cost; what counts is the pool's.
    """
    book = folded.book(instrument)
    found = [(lot.trade_id, lot.trade_date, Fraction(lot.quantity)) for lot in book.lots]
    assert found == [(lot.name, lot.dated, lot.quantity) for lot in expected.lots]
    require_close(book.cost, expected.cost)
    require_close(book.realised_gross, expected.realised)
    if expected.basis is not CostBasis.AVERAGE:
        for lot, one in zip(book.lots, expected.lots, strict=True):
            require_close(lot.cost, one.cost)


def require_close(found: Decimal, expected: Fraction) -> None:
    """Compare an amount."""
    assert abs(Fraction(found) - expected) < CLOSE
