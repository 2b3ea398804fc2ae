"""A naive world of holders: it keeps all that was told, and decides from all of it anew."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from commands.command import Status
from domain.corporate_actions import Action, CashDividend
from domain.lots import CostBasis, Side
from domain.trade import Capture, Intent
from domain.transfers import Transfer
from tests.commands.expected import ACCEPTED, AGAIN, NOT_ATTEMPTED, Expected, conflict, rejected
from tests.commands.naive_holders import (
    Due,
    Holder,
    Key,
    Listing,
    Opening,
    Sent,
    Told,
    cash_of,
    fold,
    key_of_trade,
    key_of_transfer,
)
from tests.commands.naive_lots import NOTHING


class HolderModel:
    """One tenant's world of two portfolios and two instruments; the parent may spin off the child.

    A portfolio is `stale` while it may not yet have been told what is effective.
    """

    def __init__(self, world: str, parent: str, child: str) -> None:
        self.world, self.parent, self.child = world, parent, child
        self.openings: dict[str, Opening] = {}
        self.listings = {name: Listing() for name in (parent, child)}
        self.firsts: dict[str, Capture] = {}
        self.fills: dict[str, Capture] = {}
        self.revisions: dict[str, int] = {}
        self.sent: list[Sent] = []
        self.changes: dict[str, list[tuple[date, CostBasis]]] = {}
        self.flows: dict[str, list[Decimal]] = {}
        self.said: dict[tuple[str, str], object] = {}
        self.paid: dict[tuple[str, str, str], Due] = {}
        self.today = date.min
        self.stale: set[str] = set()

    def open(self, portfolio: str, opening: Opening) -> Expected:
        """Open a portfolio."""
        self.openings[portfolio] = opening
        self.changes[portfolio] = []
        self.flows[portfolio] = []
        return ACCEPTED

    def flow(self, portfolio: str, amount: Decimal) -> Expected:
        """Bring in cash, interest, or charge a fee."""
        self.flows[portfolio].append(amount)
        return ACCEPTED

    def say(self, portfolio: str, kind: str, what: object) -> Expected:
        """Say a title, an owner or a benchmark."""
        if self.said.get((portfolio, kind)) == what:
            return AGAIN
        self.said[portfolio, kind] = what
        return ACCEPTED

    def reach(self, day: date) -> Expected:
        """Let time come to a day."""
        if day > self.today:
            self.today = day
            self.stale |= self.openings.keys()
        return ACCEPTED

    def apply(self, portfolio: str) -> Expected:
        """Tell a portfolio what is effective."""
        self.stale.discard(portfolio)
        return ACCEPTED

    def settle(self, portfolio: str, until: date) -> Expected:
        """Pay what is due, and pay back what is not due any more."""
        self.stale.discard(portfolio)
        for (instrument, name), due in self.outstanding(portfolio).items():
            if self._dividend(instrument, name).pay_date <= until:
                paid = self.paid.get((portfolio, instrument, name), Due())
                told = Due(paid.gross + due.gross, paid.withheld + due.withheld)
                self.paid[portfolio, instrument, name] = told
        return ACCEPTED

    def outstanding(self, portfolio: str) -> dict[tuple[str, str], Due]:
        """Give what is due and was not paid, or was paid and is not due."""
        dues = self.holder(portfolio).dues
        found = {}
        for instrument, listing in self.listings.items():
            for name in listing.actions:
                due = dues.get((instrument, name), Due())
                paid = self.paid.get((portfolio, instrument, name), Due())
                rest = Due(due.gross - paid.gross, due.withheld - paid.withheld)
                if any(rest):
                    found[instrument, name] = rest
        return found

    def _dividend(self, instrument: str, name: str) -> CashDividend:
        action = self.listings[instrument].actions[name]
        assert isinstance(action, CashDividend), "nothing else is due"
        return action

    def declare(self, action: Action) -> Expected:
        """Declare an action."""
        listing = self.listings[action.instrument]
        known = listing.actions.get(action.action)
        if known is not None:
            return AGAIN if known == action else conflict("action_already_declared")
        listing.actions[action.action] = action
        self.stale |= self.openings.keys()
        return ACCEPTED

    def reverse(self, instrument: str, name: str, reason: str) -> Expected:
        """Take an action back."""
        listing = self.listings[instrument]
        if name not in listing.actions:
            return rejected("action_unknown")
        if name in listing.reversed:
            is_same = listing.reversed[name] == reason
            return AGAIN if is_same else conflict("action_already_reversed")
        listing.reversed[name] = reason
        self.stale |= self.openings.keys()
        return ACCEPTED

    def change_trading(self, instrument: str, at: datetime, *, is_suspended: bool) -> Expected:
        """Suspend trading, or resume it."""
        listing = self.listings[instrument]
        last = listing.trading[-1] if listing.trading else None
        if last == (is_suspended, at):
            return AGAIN
        if listing.delisted is not None and listing.delisted <= at.date():
            return rejected("instrument_delisted")
        was_suspended = last is not None and last[0]
        if is_suspended and was_suspended:
            return conflict("instrument_already_suspended")
        if not is_suspended and not was_suspended:
            return rejected("instrument_not_suspended")
        if last is not None and at <= last[1]:
            return rejected("suspension_out_of_order")
        listing.trading.append((is_suspended, at))
        return ACCEPTED

    def delist(self, instrument: str, day: date) -> Expected:
        """List it no more."""
        listing = self.listings[instrument]
        if listing.delisted is not None:
            is_same = listing.delisted == day
            return AGAIN if is_same else conflict("instrument_already_delisted")
        listing.delisted = day
        return ACCEPTED

    def call(self, instrument: str, kind: str, name: str, day: date) -> Expected:
        """Give it another title or symbol from a day on; of two for one day the later holds."""
        names = self.listings[instrument].names
        if names.get((kind, day)) == name:
            return AGAIN
        names[kind, day] = name
        return ACCEPTED

    def write_down(self, instrument: str, price: int, at: datetime) -> Expected:
        """Value it at a price; nothing of a holder's changes."""
        listing = self.listings[instrument]
        if listing.written_down == (price, at):
            return AGAIN
        listing.written_down = (price, at)
        return ACCEPTED

    def capture(self, wanted: Capture) -> Expected:
        """Capture a trade of a day that has come."""
        first = self.firsts.get(wanted.external_id)
        if first is not None:
            return AGAIN if first == wanted else conflict("external_id_conflict")
        code = self._breach(wanted) if wanted.intent is Intent.PROPOSED else None
        if code is not None:
            return rejected(code)
        self.firsts[wanted.external_id] = self.fills[wanted.external_id] = wanted
        self.stale.discard(wanted.portfolio)
        return ACCEPTED

    def batch(self, captures: list[Capture], *, is_atomic: bool) -> list[Expected]:
        """Capture several in order; an atomic batch of more than one is all or nothing."""
        before = (self.firsts.copy(), self.fills.copy(), self.stale.copy())
        expected: list[Expected] = []
        for place, capture in enumerate(captures):
            one = self.capture(capture)
            if is_atomic and len(captures) > 1 and one.status is not Status.ACCEPTED:
                self.firsts, self.fills, self.stale = before
                after = len(captures) - place - 1
                return [NOT_ATTEMPTED] * place + [one] + [NOT_ATTEMPTED] * after
            expected.append(one)
        return expected

    def _breach(self, wanted: Capture) -> str | None:
        if not self.listings[wanted.instrument].is_active(wanted):
            return "instrument_inactive"
        held, opening = self.holder(wanted.portfolio), self.openings[wanted.portfolio]
        change = cash_of(wanted)
        if change < 0 and held.cash + change < 0 and not opening.allows_leverage:
            return "insufficient_cash"
        is_sale = wanted.side is Side.SELL
        left = held.books[wanted.instrument].quantity - Fraction(wanted.quantity)
        return "short_not_allowed" if is_sale and left < 0 and not opening.allows_short else None

    def amend(self, wanted: Capture) -> Expected:
        """Put the next revision of a known trade in force."""
        name = wanted.external_id
        self.revisions[name] = self.revisions.get(name, 0) + 1
        before = self.fills.get(name)
        if before is None:
            return ACCEPTED._replace(is_superseded=True)
        self.fills[name] = wanted
        self.stale |= {before.portfolio, wanted.portfolio}
        return ACCEPTED

    def bust(self, name: str) -> Expected:
        """Take a known trade out."""
        gone = self.fills.pop(name, None)
        if gone is None:
            return AGAIN
        self.stale.add(gone.portfolio)
        return ACCEPTED

    def change_basis(self, portfolio: str, day: date, basis: CostBasis) -> Expected:
        """Take lots by another basis from a day on."""
        changes = self.changes[portfolio]
        if changes and changes[-1] == (day, basis):
            return AGAIN
        if changes and day <= changes[-1][0]:
            return rejected("cost_basis_changed_since")
        if basis is (changes[-1][1] if changes else self.openings[portfolio].basis):
            return rejected("cost_basis_unchanged")
        changes.append((day, basis))
        self.stale.discard(portfolio)
        return ACCEPTED

    def transfer(self, asked: Transfer) -> Expected:
        """Send lots: which, is decided now and for ever."""
        for told in self.sent:
            earlier = told.transfer
            if (earlier.portfolio, earlier.transfer) == (asked.portfolio, asked.transfer):
                return AGAIN if earlier == asked else conflict("transfer_conflict")
        book = self.holder(asked.portfolio, before=key_of_transfer(asked)).books[asked.instrument]
        is_open = {lot.name: abs(lot.quantity) for lot in book.lots}
        named = [(each.trade_id, Fraction(each.quantity)) for each in asked.named]
        if any(size > is_open.get(name, NOTHING) for name, size in named):
            return rejected("lot_not_open")
        if asked.quantity > abs(book.quantity):
            return rejected("quantity_not_held")
        sent = Sent(asked, book.take(Fraction(asked.quantity), named))
        if not self._has_price(asked):
            return rejected("price_missing")
        self.sent.append(sent)
        is_long = sent.lots[0].quantity > 0
        for place in (asked.portfolio, asked.to_portfolio):
            left = self.holder(place).books[asked.instrument].quantity
            takes_away = is_long == (place == asked.portfolio)
            if left < 0 and takes_away and not self.openings[place].allows_short:
                self.sent.remove(sent)
                return rejected("short_not_allowed")
        self.stale -= {asked.portfolio, asked.to_portfolio}
        return ACCEPTED

    def _has_price(self, asked: Transfer) -> bool:
        return any(
            each.instrument == asked.instrument
            and each.portfolio in (asked.portfolio, asked.to_portfolio)
            and key_of_trade(each) < key_of_transfer(asked)
            for each in self.fills.values()
        )

    def holder(self, portfolio: str, *, before: Key | None = None) -> Holder:
        """Fold everything that stands, up to a place."""
        flows = Fraction(sum(self.flows[portfolio], Decimal(0)))
        paid = [due for key, due in self.paid.items() if key[0] == portfolio]
        told = Told(
            world=self.world,
            portfolio=portfolio,
            opening=self.openings[portfolio],
            actions=[
                action
                for listing in self.listings.values()
                for name, action in listing.actions.items()
                if name not in listing.reversed and action.ex_date <= self.today
            ],
            fills=[each for each in self.fills.values() if each.portfolio == portfolio],
            sent=self.sent,
            changes=[each for each in self.changes[portfolio] if each[0] <= self.today],
            cash=flows + sum((due.gross - due.withheld for due in paid), NOTHING),
        )
        return fold(told, self.parent, self.child, before)
