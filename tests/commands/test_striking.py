"""The striking reaction: figures are told once for a closing, whatever is interrupted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

from commands.desk import Desk
from commands.metrics import UNSTRUCK
from commands.reactions.striking import AllDue, Due, FiguresAtSessionEnd, run_striking
from domain.event import Event
from domain.figures import FiguresStruck, StruckFigure
from domain.market import SessionClosed
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.desks import desk_on, wait_until
from tests.commands.scenes import ACME, MONDAY, TUESDAY, WAIT_SECONDS
from tests.commands.test_settlement import close


def figures(portfolio: str, closed_at: int, session: date, value: str = "100") -> FiguresStruck:
    """The NAV of a portfolio at the end of a session."""
    nav = StruckFigure(
        name="nav", value=Decimal(value), method="m", calculation="c",
        position=closed_at, market_position=closed_at,
    )  # fmt: skip
    return FiguresStruck(portfolio, session, closed_at, "USD", (nav,))


class Folded:
    """Stands in for the read model: closings, so many portfolios, and what the log tells of them.

    While it is not level, it stands where it stood then. Each answer has other values.
    """

    def __init__(self, log: Log, portfolios: int = 1) -> None:
        self.stands_at: int | None = None
        self._log = log
        self._names = [f"p{number:03}" for number in range(portfolios)]
        self._value = 0

    def __call__(self, behind: int, limit: int) -> AllDue:
        """Tell what is due."""
        self._value += 1
        events = known(self._log)[: self.stands_at]
        told = {
            (each.portfolio, each.session) for each in events if isinstance(each, FiguresStruck)
        }
        due = [
            Due(ACME, figures(name, position, event.session, str(self._value)))
            for position, event in enumerate(events, start=1)
            if isinstance(event, SessionClosed) and position > behind
            for name in self._names
            if (name, event.session) not in told
        ]
        return AllDue(len(events), due[:limit])


def known(log: Log) -> list[Event]:
    """Every event of the log."""
    return [decode(each.event_type, each.data) for each in log.read(0, 10_000)]


def told(log: Log) -> list[FiguresStruck]:
    """What was struck so far."""
    return [event for event in known(log) if isinstance(event, FiguresStruck)]


def failures() -> float:
    """How many portfolios failed so far."""
    (metric,) = UNSTRUCK.collect()
    return metric.samples[0].value


@contextmanager
def striking(desk: Desk, log: Log, folded: Folded) -> Iterator[None]:
    """The reaction, running beside the desk."""
    stop = threading.Event()
    thread = threading.Thread(
        target=run_striking, args=(desk, log, stop), kwargs={"ask_due": folded}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


class TestStrikingFigures:
    """Every portfolio, every closing, once."""

    def test_tells_the_figures_of_each_closing(self, desk: Desk, log: Log) -> None:
        """Sessions closed before it started and while it runs; the event says what caused it."""
        close(desk, MONDAY)
        with striking(desk, log, Folded(log, 3)):
            wait_until(lambda: len(told(log)) == 3)
            close(desk, TUESDAY)
            wait_until(lambda: len(told(log)) == 6)

        found = [(each.portfolio, each.session, each.closed_at) for each in told(log)]
        assert found == [
            *[(name, MONDAY, 1) for name in ("p000", "p001", "p002")],
            *[(name, TUESDAY, 5) for name in ("p000", "p001", "p002")],
        ]
        (closing, first, *_) = log.read(0, 10)
        assert first.causation_id == closing.command_id
        assert first.tenant == ACME
        assert first.actor == "reaction:striking"

    def test_tells_nothing_twice_where_what_makes_them_lags(self, desk: Desk, log: Log) -> None:
        """The model has not folded what was told, and another leader finds all due, with others."""
        close(desk, MONDAY)
        folded = Folded(log, 3)
        folded.stands_at = 1
        for _ in range(2):
            leader = FiguresAtSessionEnd(desk, log, folded)
            leader.look()
            wait_until(lambda: len(told(log)) == 3)
            leader.look()
            leader.look()
        assert len(known(log)) == 4
        assert {each.figures[0].value for each in told(log)} == {Decimal(1)}

    def test_catches_up_more_than_it_asks_for_at_once(self, desk: Desk, log: Log) -> None:
        """Two closings of 130 portfolios: each told once, the older closing first."""
        close(desk, MONDAY)
        close(desk, TUESDAY)
        with striking(desk, log, Folded(log, 130)):
            wait_until(lambda: len(told(log)) == 260)
        sessions = [each.session for each in told(log)]
        assert sessions == sorted(sessions)
        assert len({(each.portfolio, each.session) for each in told(log)}) == 260

    def test_asks_again_after_overload(self, log: Log) -> None:
        """The desk takes two at a time: what it refused is due at the next look."""
        with desk_on(log, queued_max=2) as desk:
            close(desk, MONDAY)
            with striking(desk, log, Folded(log, 12)):
                wait_until(lambda: len(told(log)) == 12)
        assert len({each.portfolio for each in told(log)}) == 12

    def test_goes_on_behind_those_that_fail(self, desk: Desk, log: Log) -> None:
        """They filled a look, which told nothing of the others: the next one finds those."""
        close(desk, MONDAY)
        folded = Folded(log, 2)
        looks = iter([AllDue(1, [], ["acme torn"])])
        leader = FiguresAtSessionEnd(desk, log, lambda *asked: next(looks, None) or folded(*asked))
        failed = failures()
        leader.look()
        assert failures() == failed + 1
        leader.look()
        wait_until(lambda: len(told(log)) == 2)
