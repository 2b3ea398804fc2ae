"""The desk against naive holders: actions, transfers, bases, and the lives of instruments."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from commands import snapshots
from commands.command import (
    AmendTrade,
    ApplyCorporateActions,
    BustTrade,
    CaptureTrade,
    Command,
    DepositCash,
    OpenPortfolio,
    ReachTime,
    SettleCash,
)
from commands.portfolio_commands import (
    AssignBenchmark,
    AssignOwner,
    BookInterest,
    ChangeCostBasis,
    ChargeFee,
    RenamePortfolio,
    TransferLots,
)
from domain.corporate_actions import Action, CashDividend, SpinOff, Terms
from domain.identity import MARKET_TENANT
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SymbolChanged,
    WrittenDown,
)
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.life import FeeKind
from domain.trade import Capture, Intent
from domain.transfers import Transfer
from eventstore.log import Log
from tests.commands.books_kept import require_books_kept
from tests.commands.holder_desk import HolderDesk
from tests.commands.holder_scenes import (
    actions,
    bases,
    contents,
    days,
    instruments,
    openings,
    portfolios,
    quantities,
)
from tests.commands.naive_holders import Opening
from tests.commands.scenes import WAIT_SECONDS, capture, issue, register
from tests.commands.test_machine import told

EXAMPLES = 80
STEPS = 40


class HolderMachine(HolderDesk):
    """All that holders may be told, in any order."""

    @initialize(
        alpha=openings,
        beta=openings,
        trades=st.lists(contents, min_size=2, max_size=5),
        declared=st.lists(actions(), min_size=1, max_size=3),
    )
    def begin(
        self,
        alpha: Opening,
        beta: Opening,
        trades: list[dict[str, Any]],
        declared: list[dict[str, Any]],
    ) -> None:
        """Two portfolios with some cash, two instruments, first trades and actions of theirs."""
        for name in ("A", "B"):
            self.do(register(self.named(name)), self.model.apply(""), tenant=MARKET_TENANT)
        self.reach(0)
        for name, opening in (("alpha", alpha), ("beta", beta)):
            command = OpenPortfolio(
                portfolio=name,
                base_currency="USD",
                cost_basis=opening.basis,
                allows_leverage=opening.allows_leverage,
                allows_short=opening.allows_short,
            )
            self.do(command, self.model.open(name, opening))
            self.flow(name, 100, "deposit")
        for each in trades:
            early = {"intent": Intent.EXECUTED, "trade_date": each["trade_date"] // 2}
            self.capture(each | early, is_ahead=False)
        for fields in declared:
            self.declare(fields, is_applied=False)

    @rule(
        portfolio=portfolios,
        amount=st.integers(1, 30),
        kind=st.sampled_from(["deposit", "interest", "fee"]),
    )
    def flow(self, portfolio: str, amount: int, kind: str) -> None:
        """Bring in cash, book interest, or charge a fee."""
        money, dated = Money(Decimal(amount), "USD"), self.day(0)
        change = -money.amount if kind == "fee" else money.amount
        command: Command = DepositCash(portfolio=portfolio, amount=money, value_date=dated)
        if kind == "interest":
            command = BookInterest(portfolio=portfolio, amount=money, value_date=dated)
        elif kind == "fee":
            fee = FeeKind.OTHER
            command = ChargeFee(portfolio=portfolio, kind=fee, amount=money, value_date=dated)
        self.do(command, self.model.flow(portfolio, change))

    @rule(portfolio=portfolios, what=st.sampled_from(["one", "two"]), number=st.integers(0, 2))
    def describe(self, portfolio: str, what: str, number: int) -> None:
        """Give a portfolio a title, an owner, or a benchmark."""
        command = (
            RenamePortfolio(portfolio, what),
            AssignOwner(portfolio, what),
            AssignBenchmark(portfolio, what, self.day(0)),
        )[number]
        self.do(command, self.model.say(portfolio, type(command).__name__, what))

    @rule(number=days)
    def reach(self, number: int) -> None:
        """Let business time come to a day, perhaps one that is past."""
        expected = self.model.reach(self.day(number))
        self.do(ReachTime(at=self.at(number, 12)), expected, tenant=MARKET_TENANT)

    @rule()
    def apply(self) -> None:
        """Apply to both portfolios what is effective."""
        for portfolio in ("alpha", "beta"):
            self.apply_to(portfolio)

    @rule(portfolio=portfolios)
    def apply_to(self, portfolio: str) -> None:
        """Apply to a portfolio what is effective."""
        self.do(ApplyCorporateActions(portfolio=portfolio), self.model.apply(portfolio))

    @rule(portfolio=portfolios, number=days)
    def settle(self, portfolio: str, number: int) -> None:
        """Settle what is due until a day."""
        until = self.day(number)
        command = SettleCash(portfolio=portfolio, until=until)
        self.do(command, self.model.settle(portfolio, until))

    @rule(fields=actions(), is_applied=st.booleans())
    def declare(self, fields: dict[str, Any], *, is_applied: bool) -> None:
        """Declare an action, perhaps under a name that is taken."""
        fields = dict(fields)
        kind, fields["instrument"] = fields.pop("kind"), self.named(fields["instrument"])
        if kind is CashDividend:
            pays_on = max(fields["pay_date"], fields["ex_date"])
            fields |= {"pay_date": self.day(pays_on), "currency": "USD"}
        if kind is SpinOff:
            fields["child"] = self.named("B")
        self.tell(kind(**fields | {"ex_date": self.day(fields["ex_date"])}))
        if is_applied:
            self.apply()

    def tell(self, action: Action) -> None:
        """Tell an action."""
        change = CorporateActionDeclared(instrument=action.instrument, terms=Terms.of(action))
        self.change(change, self.model.declare(action))

    @rule(
        data=st.data(), number=st.integers(0, 7), reason=st.sampled_from(["wrong", "wrong", "typo"])
    )
    def reverse(self, data: st.DataObject, number: int, reason: str) -> None:
        """Take an action back, seldom one that is unknown; or declare one again."""
        known = [
            each for listing in self.model.listings.values() for each in listing.actions.values()
        ]
        action = data.draw(st.sampled_from(known))
        if number == 0:
            self.tell(action)
            return
        name = "a-9" if number == 1 else action.action
        change = CorporateActionReversed(action.instrument, name, reason)
        self.change(change, self.model.reverse(action.instrument, name, reason))
        if number % 2:
            self.apply()

    @rule(instrument=instruments, number=days, is_suspended=st.booleans())
    def change_trading(self, instrument: str, number: int, *, is_suspended: bool) -> None:
        """Suspend trading in an instrument, or resume it."""
        name, at = self.named(instrument), self.at(number, 18)
        change: InstrumentChange = InstrumentResumed(instrument=name, from_at=at)
        if is_suspended:
            change = InstrumentSuspended(instrument=name, from_at=at, reason="halted")
        self.change(change, self.model.change_trading(name, at, is_suspended=is_suspended))

    @rule(instrument=instruments, number=st.integers(3, 5), kind=st.integers(0, 4))
    def live(self, instrument: str, number: int, kind: int) -> None:
        """Rename an instrument, give it another symbol, write it down, or delist it."""
        name, day, at = self.named(instrument), self.day(number), self.at(number, 18)
        if kind == 0:
            change: InstrumentChange = InstrumentDelisted(instrument=name, on_date=day)
            self.change(change, self.model.delist(name, day))
        elif kind == 1:
            change = WrittenDown(instrument=name, price=Decimal(number), at=at, reason="fraud")
            self.change(change, self.model.write_down(name, number, at))
        elif kind == 2:
            change = SymbolChanged(instrument=name, symbol="SYM", from_date=day)
            self.change(change, self.model.call(name, "symbol", "SYM", day))
        else:
            change = InstrumentRenamed(instrument=name, title=f"T{kind}", from_date=day)
            self.change(change, self.model.call(name, "title", f"T{kind}", day))

    def capture_of(self, content: dict[str, Any], **changes: Any) -> Capture:
        """A capture in this world, once time has come to its date."""
        fields = content | changes
        number, hour = fields["trade_date"], fields["executed_at"]
        fields["instrument"] = self.named(fields["instrument"])
        fields["trade_date"] = self.day(number)
        fields["executed_at"] = None if hour is None else self.at(number, hour)
        return capture(**fields).capture

    def come_to(self, *wanted: Capture) -> None:
        """Let time come to trades of days to come."""
        latest = max(each.trade_date or date.min for each in wanted)
        if latest > self.model.today:
            self.reach((latest - self.monday).days)

    @rule(content=contents, is_ahead=st.booleans())
    def capture(self, content: dict[str, Any], *, is_ahead: bool) -> None:
        """Capture a trade; one that was executed perhaps ahead of business time."""
        wanted = self.capture_of(content)
        is_ahead = is_ahead and wanted.intent is Intent.EXECUTED
        if not is_ahead:
            self.come_to(wanted)
        self.do(CaptureTrade(wanted), self.model.capture(wanted))
        if is_ahead:
            self.come_to(wanted)

    @precondition(lambda self: self.model.firsts)
    @rule(content=contents, data=st.data(), is_amend=st.booleans())
    def correct(self, content: dict[str, Any], data: st.DataObject, *, is_amend: bool) -> None:
        """Amend a known trade, or bust it."""
        name = data.draw(st.sampled_from(sorted(self.model.firsts)))
        if not is_amend:
            portfolio = self.model.firsts[name].portfolio
            bust = BustTrade(source="desk-1", external_id=name, portfolio=portfolio, reason="error")
            self.do(bust, self.model.bust(name))
            return
        wanted = self.capture_of(content, external_id=name, intent=Intent.EXECUTED)
        self.come_to(wanted)
        revision = self.model.revisions.get(name, 0) + 1
        self.do(AmendTrade(revision=revision, capture=wanted), self.model.amend(wanted))

    @rule(wanted=st.lists(contents, min_size=1, max_size=4), is_atomic=st.booleans())
    def capture_a_batch(self, wanted: list[dict[str, Any]], *, is_atomic: bool) -> None:
        """Capture several at once, all or nothing or each for itself."""
        captures = [self.capture_of(each) for each in wanted]
        self.come_to(*captures)
        expected = self.model.batch(captures, is_atomic=is_atomic)
        issued = [issue(CaptureTrade(each), tenant=self.world, now=self.now) for each in captures]

        outcomes = self.desk.submit_batch(issued, is_atomic=is_atomic).result(WAIT_SECONDS)

        assert [told(each) for each in outcomes] == expected
        self.issued += zip(issued, outcomes, strict=True)

    @rule(portfolio=portfolios, number=days, basis=bases)
    def change_basis(self, portfolio: str, number: int, basis: CostBasis) -> None:
        """Change the cost basis from a day on, perhaps one to come."""
        day = self.day(number)
        command = ChangeCostBasis(portfolio=portfolio, cost_basis=basis, from_date=day)
        self.do(command, self.model.change_basis(portfolio, day, basis))

    @rule(
        data=st.data(),
        name=st.sampled_from(["m-1", "m-2", "m-3", "m-4", "m-5"]),
        instrument=instruments,
        number=days,
        hour=st.sampled_from([None, 15, 18]),
        is_back=st.booleans(),
    )
    def transfer(
        self,
        data: st.DataObject,
        name: str,
        instrument: str,
        number: int,
        hour: int | None,
        *,
        is_back: bool,
    ) -> None:
        """Transfer lots, by the cost basis or by name, mostly as many as there are."""
        sender, receiver = ("beta", "alpha") if is_back else ("alpha", "beta")
        full_name = self.named(instrument)
        held = self.model.holder(sender).books[full_name]
        quantity, lots = data.draw(quantities(held))
        asked = Transfer(
            transfer=name,
            portfolio=sender,
            to_portfolio=receiver,
            instrument=full_name,
            trade_date=self.day(number),
            at=None if hour is None else self.at(number, hour),
            quantity=quantity,
            named=lots,
        )
        self.send(asked)

    def send(self, asked: Transfer) -> None:
        """Ask for a transfer once time has come to it."""
        if asked.trade_date > self.model.today:
            self.reach((asked.trade_date - self.monday).days)
        command = TransferLots(
            portfolio=asked.portfolio,
            transfer=asked.transfer,
            to_portfolio=asked.to_portfolio,
            instrument=asked.instrument,
            quantity=None if asked.named else asked.quantity,
            lots=asked.named,
            trade_date=asked.trade_date,
            at=asked.at,
        )
        self.do(command, self.model.transfer(asked))

    @precondition(lambda self: self.model.sent)
    @rule(data=st.data())
    def transfer_again(self, data: st.DataObject) -> None:
        """The same transfer under another key."""
        self.send(data.draw(st.sampled_from([each.transfer for each in self.model.sent])))


class TestTheHolders:
    """Outcomes and log are those of a model that recomputes everything from nothing."""

    @pytest.mark.timeout(400)  # It takes 30 s; a failure is shrunk for a few minutes.
    def test_agree_with_the_model_whatever_is_told(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Declared, applied, traded late, transferred, paid, reversed, restarted in between."""
        monkeypatch.setattr(snapshots, "EVENTS_BETWEEN", 2)
        machine = type("Machine", (HolderMachine,), {"log": log})

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
