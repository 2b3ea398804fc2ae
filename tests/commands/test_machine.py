"""The desk against a naive model: any commands in any order, duplicates, batches and restarts."""

import itertools
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from commands import snapshots
from commands.command import (
    AmendTrade,
    BustTrade,
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    OpenPortfolio,
    Outcome,
    ReleaseTrade,
    Status,
    WithdrawCash,
)
from commands.desk import Desk
from commands.portfolio_commands import (
    BookInterest,
    ChargeFee,
    ClosePeriod,
    ClosePortfolio,
    ExchangeCash,
    FreezePortfolio,
    ReopenPeriod,
    UnfreezePortfolio,
)
from domain.identity import MARKET_TENANT, portfolio_stream, trade_id
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.portfolio.events import SettlementPolicy
from domain.portfolio.life import FeeKind
from domain.portfolio.state import Portfolio
from domain.trade import Capture, Intent
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.books_kept import require_books_kept
from tests.commands.expected import Expected
from tests.commands.naive_model import Held, Model, Opening
from tests.commands.naive_settlement import Word
from tests.commands.scenes import MONDAY, NOON, TUESDAY, WAIT_SECONDS, capture, issue, register
from tests.commands.settlement_words import due, due_of, word_command, words

POLICIES = {False: SettlementPolicy.CONTRACTUAL, True: SettlementPolicy.ACTUAL}
EXAMPLES = 25
STEPS = 40
CLOSE = Fraction(1, 10**9)
"""AVERAGE rounds each close to 12 decimals, the model nothing."""

worlds = itertools.count(1)
portfolios = st.sampled_from(["alpha", "beta"])
instruments = st.sampled_from(["A", "B"])
days = st.sampled_from([MONDAY, TUESDAY])
sizes = st.integers(1, 5).map(Decimal)
captures = st.builds(
    lambda **fields: capture(**fields).capture,
    external_id=st.integers(1, 30).map(lambda number: f"t-{number}"),
    portfolio=portfolios,
    instrument=instruments,
    intent=st.sampled_from([Intent.PROPOSED, Intent.EXECUTED, Intent.EXECUTED]),
    side=st.sampled_from(Side),
    quantity=sizes,
    price=sizes,
    fee=st.sampled_from([Decimal(0), Decimal(1)]),
    trade_date=st.sampled_from([MONDAY, TUESDAY]),
    executed_at=st.sampled_from([None, NOON - timedelta(days=3), NOON - timedelta(days=2)]),
)
openings = st.builds(
    Opening,
    basis=st.sampled_from(CostBasis),
    allows_leverage=st.booleans(),
    allows_short=st.booleans(),
    is_actual=st.booleans(),
)


def told(outcome: Outcome) -> Expected:
    """What an outcome says, in the model's words."""
    return Expected(
        outcome.status,
        outcome.code,
        outcome.replayed,
        outcome.is_parked,
        outcome.is_held,
        outcome.is_superseded,
    )


def is_decided(outcome: Outcome) -> bool:
    """Say whether a command has its outcome for ever; what was not attempted may try again."""
    return outcome.status is not Status.NOT_ATTEMPTED


def opening_command(portfolio: str, opening: Opening) -> OpenPortfolio:
    """The command that opens a portfolio so."""
    return OpenPortfolio(
        portfolio=portfolio,
        base_currency="USD",
        cost_basis=opening.basis,
        allows_leverage=opening.allows_leverage,
        allows_short=opening.allows_short,
        settlement=POLICIES[opening.is_actual],
    )


def exchange_command(portfolio: str, sold: Money, intent: Intent) -> ExchangeCash:
    """The command that sells dollars for one euro."""
    return ExchangeCash(
        portfolio=portfolio,
        intent=intent,
        sold=sold,
        bought=Money(Decimal(1), "EUR"),
        value_date=MONDAY,
    )


class DeskMachine(RuleBasedStateMachine):
    """Each example is a tenant of its own, with instruments of its own, on one shared log."""

    log: Log

    def __init__(self) -> None:
        super().__init__()
        self.world = f"world-{next(worlds)}"
        self.model = Model()
        self.issued: list[tuple[Issued, Outcome]] = []
        self.desk = Desk(self.log)
        self.desk.start()

    def teardown(self) -> None:
        """End the desk."""
        self.desk.stop(WAIT_SECONDS)

    def named(self, wanted: Capture) -> Capture:
        """A capture in this world's instrument."""
        return replace(wanted, instrument=f"{self.world}-{wanted.instrument}")

    def do(self, command: Command, expected: Expected, *, tenant: str | None = None) -> None:
        """Issue a command and compare its outcome."""
        issued = issue(command, tenant=tenant or self.world)
        outcome = self.desk.submit(issued).result(WAIT_SECONDS)
        assert told(outcome) == expected, outcome
        self.issued.append((issued, outcome))

    @initialize(opening=openings)
    def begin(self, opening: Opening) -> None:
        """Open a portfolio with some cash and register an instrument, so that trades meet them."""
        self.open("alpha", opening)
        self.move("alpha", Decimal(40))
        self.register("A")

    @rule(portfolio=portfolios, opening=openings)
    def open(self, portfolio: str, opening: Opening) -> None:
        """Open a portfolio, perhaps again or otherwise."""
        expected = self.model.open(portfolio, opening)
        self.do(opening_command(portfolio, opening), expected)

    @rule(portfolio=portfolios, amount=st.integers(-30, 30).filter(bool).map(Decimal))
    def move(self, portfolio: str, amount: Decimal) -> None:
        """Bring cash in or take it out."""
        money = Money(abs(amount), "USD")
        command: Command = (
            DepositCash(portfolio=portfolio, amount=money, value_date=MONDAY)
            if amount > 0
            else WithdrawCash(portfolio=portfolio, amount=money, value_date=MONDAY)
        )
        self.do(command, self.model.move(portfolio, amount))

    @rule(portfolio=portfolios, amount=st.integers(-30, 30).filter(bool).map(Decimal))
    def book_fact(self, portfolio: str, amount: Decimal) -> None:
        """Tell of interest, of a fee, or of an exchange that was done."""
        expected = self.model.book_fact(portfolio, amount)
        money = Money(abs(amount), "USD")
        command: Command = BookInterest(
            portfolio=portfolio, amount=Money(amount, "USD"), value_date=MONDAY
        )
        if amount % 3 == 0 and amount < 0:
            command = ChargeFee(
                portfolio=portfolio, kind=FeeKind.OTHER, amount=money, value_date=MONDAY
            )
        elif amount % 3 == 1 and amount < 0:
            command = exchange_command(portfolio, money, Intent.EXECUTED)
        self.do(command, expected)

    @rule(portfolio=portfolios, sold=st.integers(1, 60).map(Decimal))
    def exchange(self, portfolio: str, sold: Decimal) -> None:
        """Ask to sell dollars for euros."""
        command = exchange_command(portfolio, Money(sold, "USD"), Intent.PROPOSED)
        self.do(command, self.model.exchange(portfolio, sold))

    @rule(portfolio=portfolios, reason=st.sampled_from(["audit", "court_order", None, None]))
    def freeze(self, portfolio: str, reason: str | None) -> None:
        """Freeze a portfolio, or lift that."""
        if reason is None:
            self.do(UnfreezePortfolio(portfolio, "over"), self.model.unfreeze(portfolio))
        else:
            self.do(FreezePortfolio(portfolio, reason), self.model.freeze(portfolio, reason))

    @rule(portfolio=portfolios, day=days, is_closing=st.booleans())
    def close_books(self, portfolio: str, day: date, is_closing: bool) -> None:  # noqa: FBT001
        """Close the books of a portfolio, or open them again."""
        if is_closing:
            self.do(ClosePeriod(portfolio, day), self.model.close_period(portfolio, day))
        else:
            reopening = ReopenPeriod(portfolio, day, "late")
            self.do(reopening, self.model.reopen_period(portfolio, day))

    @rule(portfolio=portfolios, day=days)
    def close(self, portfolio: str, day: date) -> None:
        """End a portfolio, which is seldom empty."""
        self.do(ClosePortfolio(portfolio, day), self.model.close(portfolio, day))

    @rule(instrument=instruments)
    def register(self, instrument: str) -> None:
        """Register an instrument, perhaps again."""
        name = f"{self.world}-{instrument}"
        self.do(register(name), self.model.register(name), tenant=MARKET_TENANT)

    @rule(wanted=captures)
    def capture(self, wanted: Capture) -> None:
        """Capture a trade, new or under a name that is taken."""
        named = self.named(wanted)
        self.do(capture_of(named), self.model.capture(named))

    @precondition(lambda self: self.model.named)
    @rule(data=st.data(), price=st.none() | sizes)
    def capture_a_known_name(self, data: st.DataObject, price: Decimal | None) -> None:
        """Capture a trade again: the same, or perhaps with another price."""
        first = data.draw(st.sampled_from(list(self.model.named.values())))
        first = replace(first, block=None)  # Nobody captures as of a block but the block itself.
        again = first if price is None else replace(first, price=price)
        self.do(capture_of(again), self.model.capture(again))

    @rule(wanted=captures, revision=st.integers(1, 3), data=st.data())
    def amend(self, wanted: Capture, revision: int, data: st.DataObject) -> None:
        """Amend a trade, mostly one that is known; perhaps as it was amended before."""
        name = data.draw(st.sampled_from([wanted.external_id, *self.model.named]))
        told = self.model.amends.get(name, {}).get(revision)
        if told is None or data.draw(st.booleans()):
            told = replace(self.named(wanted), external_id=name, intent=Intent.EXECUTED)
        self.do(AmendTrade(revision=revision, capture=told), self.model.amend(revision, told))

    @rule(wanted=captures, data=st.data())
    def bust(self, wanted: Capture, data: st.DataObject) -> None:
        """Bust a trade, mostly one that is known."""
        name = data.draw(st.sampled_from([wanted.external_id, *self.model.named]))
        command = BustTrade(
            source=wanted.source,
            external_id=name,
            portfolio=wanted.portfolio,
            reason="cancelled_by_venue",
        )
        self.do(command, self.model.bust(name, wanted.portfolio))

    @rule(wanted=captures, word=words, data=st.data())
    def tell_word(self, wanted: Capture, word: Word, data: st.DataObject) -> None:
        """Tell what a custodian did with a trade, mostly one that is known."""
        name = data.draw(st.sampled_from([wanted.external_id, *self.model.named]))
        expected = self.model.tell_word(name, wanted.portfolio, word)
        self.do(word_command(name, wanted.portfolio, word), expected)

    @precondition(lambda self: self.model.held())
    @rule(wanted=captures, data=st.data())
    def capture_a_held_name(self, wanted: Capture, data: st.DataObject) -> None:
        """Capture a trade whose corrections came before it."""
        name = data.draw(st.sampled_from(self.model.held()))
        named = replace(self.named(wanted), external_id=name)
        self.do(capture_of(named), self.model.capture(named))

    @precondition(lambda self: self.model.named)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Release a trade that is parked, was released, or never waited."""
        external_id = data.draw(st.sampled_from(list(self.model.named)))
        name = trade_id(self.world, "desk-1", external_id, None)
        self.do(ReleaseTrade(name), self.model.release(external_id))

    @rule(wanted=st.lists(captures, min_size=1, max_size=6), is_atomic=st.booleans())
    def capture_a_batch(self, wanted: list[Capture], is_atomic: bool) -> None:  # noqa: FBT001
        """Capture several at once, all or nothing or each for itself."""
        named = [self.named(each) for each in wanted]
        expected = self.model.batch(named, is_atomic=is_atomic)
        issued = [issue(capture_of(each), tenant=self.world) for each in named]

        outcomes = self.desk.submit_batch(issued, is_atomic=is_atomic).result(WAIT_SECONDS)

        assert [told(each) for each in outcomes] == expected
        self.issued += zip(issued, outcomes, strict=True)

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
    def log_says_what_the_model_says(self) -> None:
        """Cash, positions, cost and realised parts, folded from the log alone."""
        for name, account in self.model.accounts.items():
            folded = self.folded(name)
            assert folded.balance("USD") == account.cash()
            if account.opening.is_actual:
                unsettled = account.unsettled()
                assert due(folded.awaited) == due_of(unsettled.awaited)
                assert due(folded.failing) == due_of(unsettled.failing)
                assert folded.settled("USD") == sum(account.flows) + unsettled.settled
            assert folded.books.keys() <= self.model.instruments
            for instrument in self.model.instruments:
                book = folded.book(instrument)
                assert sum(lot.quantity for lot in book.lots) == book.quantity
                cost, realised = Fraction(book.cost), Fraction(book.realised_gross)
                held = Held(int(book.quantity), cost, realised)
                require_close(held, account.held(instrument))

    def folded(self, portfolio: str) -> Portfolio:
        """Fold a portfolio's stream."""
        folded = Portfolio()
        for each in self.log.read_stream(portfolio_stream(self.world, portfolio)):
            folded.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
        return folded


def capture_of(wanted: Capture) -> CaptureTrade:
    """The command that captures it."""
    return CaptureTrade(wanted)


def require_close(found: Held, expected: Held) -> None:
    """Compare: quantities exactly, amounts to a billionth."""
    assert found.quantity == expected.quantity
    assert abs(found.cost - expected.cost) < CLOSE
    assert abs(found.realised - expected.realised) < CLOSE


class TestTheDesk:
    """Its outcomes and its log are those of a model that recomputes everything from nothing."""

    @pytest.mark.timeout(400)  # It takes 20 s; a failure is shrunk for a few minutes.
    def test_agrees_with_the_model_whatever_it_is_told(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Opened, funded, traded, late, twice, in conflict, in batches, restarted in between.

        A desk that starts finds snapshots of nearly every version.
        """
        monkeypatch.setattr(snapshots, "EVENTS_BETWEEN", 2)
        machine = type("Machine", (DeskMachine,), {"log": log})

        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

        require_books_kept(log)
