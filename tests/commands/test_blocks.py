"""Blocks through the desk: one append for all portfolios, first acceptances, naming, busts."""

from decimal import Decimal

from commands.command import RegisterSource, Status
from commands.desk import Desk
from domain.block import ALLOCATIONS_MAX, BlockBusted, BlockRefused
from domain.event import Event
from domain.identity import MARKET_TENANT, portfolio_stream, trade_id
from domain.portfolio.events import TradeBooked
from domain.portfolio.state import Portfolio
from domain.source import NamingScope
from domain.trade import Intent, TradeAmended, TradeBusted, TradeCaptured, TradeRefused
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.block_scenes import PORTFOLIOS, block, bust_block, open_three, weighted
from tests.commands.books_kept import require_books_kept
from tests.commands.desks import booked_external_ids, desk_on, wait_until
from tests.commands.scenes import ACME, APPLE, MONDAY, TUESDAY, capture, done, register
from tests.commands.test_corrections import amend, bust, names_behind
from tests.commands.test_release import releasing


def events_behind(log: Log, position: int) -> list[Event]:
    """The events behind a position."""
    return [decode(each.event_type, each.data) for each in log.read(position, 1_000)]


def folded(log: Log, portfolio: str) -> Portfolio:
    """A portfolio, folded from its stream."""
    state = Portfolio()
    for each in log.read_stream(portfolio_stream(ACME, portfolio)):
        state.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
    return state


def held(log: Log) -> list[Decimal]:
    """What alpha, beta and gamma hold of AAPL."""
    return [folded(log, name).book(APPLE).quantity for name in PORTFOLIOS]


class TestAllocating:
    """A block is one append: its own event, then a trade for each portfolio."""

    def test_books_every_allotment_in_one_append(self, desk: Desk, log: Log) -> None:
        """The example of docs/accounting.md: 100 for 1,020 and a fee of 2, in three."""
        open_three(desk)
        before = log.head().position

        outcome = done(desk, block())

        assert outcome.status is Status.ACCEPTED
        assert (outcome.stream_version, outcome.trade_id) == (1, None)
        assert names_behind(log, before) == [
            "block.allocated.v1",
            "source.registered.v1",
            *["trade.captured.v1", "portfolio.trade_booked.v1"] * 3,
        ]
        assert len({each.command_id for each in log.read(before, 100)}) == 1
        booked = [each.fill for each in events_behind(log, before) if isinstance(each, TradeBooked)]
        assert [each.external_id for each in booked] == [f"BLOCK-1/{name}" for name in PORTFOLIOS]
        assert [each.quantity for each in booked] == [Decimal(34), Decimal(33), Decimal(33)]
        assert [str(each.consideration) for each in booked] == ["346.8", "336.6", "336.6"]
        assert [str(each.fee) for each in booked] == ["0.68", "0.66", "0.66"]
        assert {str(each.price) for each in booked} == {"10.2"}
        assert [each.trade_id for each in outcome.allotments] == [each.trade_id for each in booked]
        require_books_kept(log)

    def test_lists_in_the_event_who_got_nothing(self, desk: Desk, log: Log) -> None:
        """No trade is captured of nothing."""
        open_three(desk)

        outcome = done(desk, block(lot_size=Decimal(100)))

        got = [(each.quantity, each.trade_id is None) for each in outcome.allotments]
        assert got == [(Decimal(100), False), (Decimal(0), True), (Decimal(0), True)]
        assert held(log) == [100, 0, 0]

    def test_tells_the_first_acceptance_again(self, log: Log) -> None:
        """Under another key, in the same turn and from another desk that knows only the log."""
        with desk_on(log) as desk:
            open_three(desk)
            first, again = done(desk, block()), done(desk, block())
        with desk_on(log) as another:
            later = done(another, block())

        assert not first.replayed
        assert again.replayed
        assert later.replayed
        assert (again.allotments, again.position) == (first.allotments, first.position)
        assert (later.allotments, later.position) == (first.allotments, first.position)

    def test_conflicts_with_other_content_under_its_name(self, desk: Desk, log: Log) -> None:
        """It names the fields; nothing is written."""
        open_three(desk)
        done(desk, block())
        head = log.head()

        outcome = done(desk, block(allocations=weighted(alpha=1), lot_size=None))

        assert (outcome.status, outcome.code) == (Status.CONFLICT, "external_id_conflict")
        assert outcome.fields == ("allocations", "lot_size")
        assert log.head() == head

    def test_conflicts_with_a_trade_that_has_one_of_its_names(self, desk: Desk, log: Log) -> None:
        """All or none: the others are not booked either."""
        open_three(desk)
        done(desk, capture("BLOCK-1/beta", portfolio="beta"))
        head = log.head()

        outcome = done(desk, block())

        assert (outcome.status, outcome.code) == (Status.CONFLICT, "external_id_conflict")
        assert "BLOCK-1/beta" in str(outcome.message)
        assert log.head() == head

    def test_is_named_per_trade_date_where_the_source_says_so(self, desk: Desk, log: Log) -> None:
        """Two blocks of one id: the bust of Monday's leaves Tuesday's alone."""
        open_three(desk)
        done(desk, RegisterSource("desk-1", NamingScope.TRADE_DATE))
        done(desk, block())
        done(desk, block(trade_date=TUESDAY))

        unnamed = done(desk, bust_block())
        busted = done(desk, bust_block(trade_date=MONDAY))

        assert unnamed.code == "trade_date_missing"
        assert busted.status is Status.ACCEPTED
        assert held(log) == [34, 33, 33]

    def test_parks_each_allotment_until_the_instrument_appears(self, log: Log) -> None:
        """As any executed trade; then all are booked."""
        with desk_on(log) as desk, releasing(desk, log):
            open_three(desk)
            parked = done(desk, block(instrument="LATER"))
            done(desk, register("LATER"), tenant=MARKET_TENANT)
            wait_until(lambda: booked_external_ids(log).total() == len(PORTFOLIOS))

        assert parked.is_parked
        assert folded(log, "gamma").book("LATER").quantity == 33


class TestAskingForABlock:
    """Every rule applies to every portfolio; what one breaches refuses the whole."""

    def test_is_refused_with_every_breach_of_every_portfolio(self, desk: Desk, log: Log) -> None:
        """Each names its portfolio; the log tells the block, and a refusal for each of them."""
        open_three(desk, cash=340)
        before = log.head().position
        wanted = block(intent=Intent.PROPOSED, allocations=weighted(alpha=4, beta=1, gamma=4))

        outcome = done(desk, wanted)

        assert (outcome.status, outcome.code) == (Status.REJECTED, "insufficient_cash")
        assert [(each.portfolio, each.rule) for each in outcome.breaches] == [
            ("alpha", "insufficient_cash"),
            ("gamma", "insufficient_cash"),
        ]
        refused, *trades = events_behind(log, before)
        assert isinstance(refused, BlockRefused)
        assert (refused.block, refused.breaches) == (wanted.block, ())
        assert [
            (each.capture.portfolio, each.capture.block)
            for each in trades
            if isinstance(each, TradeRefused)
        ] == [("alpha", "BLOCK-1"), ("gamma", "BLOCK-1")]
        assert held(log) == [0, 0, 0]

    def test_does_not_use_its_name_up(self, desk: Desk, log: Log) -> None:
        """A new command may try again."""
        open_three(desk)
        refused = done(desk, block(intent=Intent.PROPOSED, instrument="NONE"))

        accepted = done(desk, block(intent=Intent.PROPOSED))

        assert refused.code == "instrument_unknown"
        assert accepted.status is Status.ACCEPTED
        assert held(log) == [34, 33, 33]

    def test_of_an_unknown_portfolio_is_refused_even_if_executed(
        self, desk: Desk, log: Log
    ) -> None:
        """Also where that one would have got nothing."""
        open_three(desk)
        outcomes = [
            done(desk, block(allocations=weighted(alpha=each, delta=1))) for each in (1, 1_000)
        ]

        assert [each.code for each in outcomes] == ["portfolio_unknown"] * 2
        assert all("delta" in str(each.message) for each in outcomes)
        assert held(log) == [0, 0, 0]

    def test_that_is_not_whole_is_refused_as_itself(self, desk: Desk, log: Log) -> None:
        """What concerns no portfolio is told by the block's own refusal."""
        open_three(desk)
        before = log.head().position
        twice = (*weighted(alpha=1), *weighted(alpha=1))

        outcome = done(desk, block(allocations=twice))

        (refused,) = events_behind(log, before)
        assert isinstance(refused, BlockRefused)
        assert [each.rule for each in refused.breaches] == [outcome.code] == ["portfolio_twice"]

    def test_of_full_size_is_refused_as_well(self, desk: Desk, log: Log) -> None:
        """500 portfolios that nobody opened: 501 events, and every breach in the answer."""
        open_three(desk)
        before = log.head().position
        many = weighted(**{f"p-{number}": 1 for number in range(ALLOCATIONS_MAX)})

        outcome = done(desk, block(allocations=many, lot_size=None))

        assert len(outcome.breaches) == ALLOCATIONS_MAX
        assert len(events_behind(log, before)) == 1 + ALLOCATIONS_MAX


class TestExecutedBlocks:
    """A fact is booked, and carries what it breaches."""

    def test_warn_of_every_portfolio(self, desk: Desk, log: Log) -> None:
        """In the acceptance each names its portfolio; each trade keeps its own."""
        open_three(desk, cash=340)
        before = log.head().position

        outcome = done(desk, block())

        assert outcome.status is Status.ACCEPTED
        assert [each.portfolio for each in outcome.warnings] == ["alpha"]
        captured = [each for each in events_behind(log, before) if isinstance(each, TradeCaptured)]
        assert [len(each.breaches) for each in captured] == [1, 0, 0]
        assert captured[0].breaches[0].portfolio is None


class TestCorrectingAllotments:
    """What a portfolio got is a trade like any: amended, busted, before the block or after."""

    def test_an_amend_leaves_it_in_its_block(self, desk: Desk, log: Log) -> None:
        """Its source does not tell the block again; the same revision is told again as such."""
        open_three(desk)
        done(desk, block())
        moved = amend("BLOCK-1/alpha", portfolio="beta", quantity=Decimal(5))

        first, again = done(desk, moved), done(desk, moved)

        assert first.status is Status.ACCEPTED
        assert again.replayed
        stream = log.read_stream(trade_id(ACME, "desk-1", "BLOCK-1/alpha", None))
        captured, amended, _ = (decode(each.event_type, each.data) for each in stream)
        assert isinstance(captured, TradeCaptured)
        assert isinstance(amended, TradeAmended)
        assert amended.capture.block == captured.capture.block == "BLOCK-1"
        assert held(log) == [0, 38, 33]

    def test_before_the_block_they_wait_for_it(self, desk: Desk, log: Log) -> None:
        """A bust and an amend into a neighbour's portfolio: two bookings there, one on the other.

        The amended revision is told again afterwards.
        """
        open_three(desk)
        moved = amend("BLOCK-1/alpha", portfolio="beta", quantity=Decimal(5), price=Decimal(10))
        waiting = [done(desk, moved), done(desk, bust("BLOCK-1/gamma", portfolio="gamma"))]

        outcome = done(desk, block())
        again = done(desk, moved)

        assert all(each.is_held for each in waiting)
        assert outcome.status is Status.ACCEPTED
        assert again.replayed
        assert held(log) == [0, 38, 0]
        assert folded(log, "beta").balance("USD") == 100_000 - 50 - Decimal("337.26")
        require_books_kept(log)


class TestBusting:
    """A block is taken out whole, wherever its trades are."""

    def test_takes_every_trade_out_in_one_append(self, desk: Desk, log: Log) -> None:
        """One was busted before, one was amended into another's portfolio."""
        open_three(desk)
        done(desk, block())
        done(desk, bust("BLOCK-1/gamma", portfolio="gamma"))
        done(desk, amend("BLOCK-1/alpha", portfolio="beta", quantity=Decimal(5)))
        before = log.head().position

        outcome = done(desk, bust_block())

        assert (outcome.status, outcome.stream_version) == (Status.ACCEPTED, 2)
        told = events_behind(log, before)
        busted = [each.trade_id for each in told if isinstance(each, TradeBusted)]
        assert isinstance(told[0], BlockBusted)
        assert list(told[0].trade_ids) == busted
        assert len(busted) == 2
        assert held(log) == [0, 0, 0]
        assert [folded(log, name).balance("USD") for name in PORTFOLIOS] == [100_000] * 3
        require_books_kept(log)

    def test_tells_the_first_acceptance_again(self, desk: Desk, log: Log) -> None:
        """Of the bust, and of the block that it busted."""
        open_three(desk)
        allocated, busted = done(desk, block()), done(desk, bust_block())
        head = log.head()

        again = [done(desk, block()), done(desk, bust_block(reason="otherwise"))]

        assert [each.position for each in again] == [allocated.position, busted.position]
        assert all(each.replayed for each in again)
        assert log.head() == head

    def test_of_an_unknown_block_is_refused(self, desk: Desk) -> None:
        """Of a block that was refused, too; busts of its trades by their names would wait."""
        open_three(desk)
        done(desk, block(allocations=weighted(delta=1)))

        outcome = done(desk, bust_block())

        assert (outcome.status, outcome.code) == (Status.REJECTED, "block_unknown")
