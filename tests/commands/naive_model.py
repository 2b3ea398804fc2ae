"""A naive model of the desk: keeps every capture and recomputes everything from nothing.

It knows nothing of the code it is compared with: units are matched one by one, in fractions.
"""

import copy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from msgspec import Struct

from commands.command import Status
from domain.lots import CostBasis, Side
from domain.trade import Capture, Intent
from tests.commands.expected import (
    ACCEPTED,
    AGAIN,
    NOT_ATTEMPTED,
    Expected,
    conflict,
    rejected,
)
from tests.commands.naive_settlement import Unsettled, Word
from tests.commands.scenes import MONDAY

NO_TIME = datetime.min.replace(tzinfo=UTC)


class Held(NamedTuple):
    """A position: signed quantity and cost, and what was realised without fees."""

    quantity: int
    cost: Fraction
    realised: Fraction


class Opening(Struct, frozen=True):
    """How a portfolio was opened."""

    basis: CostBasis
    allows_leverage: bool
    allows_short: bool
    is_actual: bool = False


class Account:
    """A portfolio: external flows and booked captures, in the order they came."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.flows: list[Decimal] = []
        self.booked: list[Capture] = []
        self.busted: list[Capture] = []
        self.words: dict[str, list[Word]] = {}
        self.frozen: str | None = None
        self.closed: date | None = None
        self.period: date | None = None
        self.closed_until = date.min

    def restriction(self, dated: date, *, is_frozen_for_it: bool = True) -> str | None:
        """What refuses something that is asked for, dated so."""
        if self.frozen is not None and is_frozen_for_it:
            return "portfolio_frozen"
        if self.closed is not None:
            return "portfolio_closed"
        return "period_closed" if dated <= self.closed_until else None

    def cash(self) -> Decimal:
        """Sum everything that ever moved cash."""
        return sum(self.flows, Decimal(0)) + self._traded(self.booked)

    def unsettled(self) -> Unsettled:
        """What waits for a custodian, and what was settled."""
        found = Unsettled()
        for captures, is_busted in ((self.booked, False), (self.busted, True)):
            for each in captures:
                found.add(each, self.words.get(each.external_id, []), is_busted=is_busted)
        return found

    def free(self) -> Decimal:
        """The lowest balance to come for one who asks on Monday: each day's trades settle later."""
        if self.opening.is_actual:
            return self.unsettled().lowest(sum(self.flows, Decimal(0)))
        dated = [(each.trade_date or date.min, each) for each in self.booked]
        settled = [[each for day, each in dated if day <= until] for until, _ in dated]
        return sum(self.flows, Decimal(0)) + min(map(self._traded, [[], *settled]))

    def is_pending(self) -> bool:
        """Whether some day's trades have left something to settle."""
        if self.opening.is_actual:
            return self.unsettled().is_anything()
        return any(
            self._traded([each for each in self.booked if each.trade_date == day])
            for day in {each.trade_date for each in self.booked}
        )

    def _traded(self, captures: list[Capture]) -> Decimal:
        return sum(
            [
                (-1 if each.side is Side.BUY else 1) * each.quantity * each.price - each.fee
                for each in captures
            ],
            Decimal(0),
        )

    def held(self, instrument: str) -> Held:
        """Match units one by one in book order."""
        units: list[Fraction] = []
        sign, realised = 1, Fraction(0)
        for each in sorted(self.booked, key=_place):
            if each.instrument != instrument:
                continue
            direction = 1 if each.side is Side.BUY else -1
            for _ in range(int(each.quantity)):
                if units and sign != direction:
                    realised += sign * (Fraction(each.price) - self._take_unit(units, sign))
                else:
                    sign = direction
                    units.append(Fraction(each.price))
        return Held(sign * len(units), sign * sum(units, Fraction(0)), realised)

    def _take_unit(self, units: list[Fraction], sign: int) -> Fraction:
        if self.opening.basis in (CostBasis.FIFO, CostBasis.SPECIFIC):
            return units.pop(0)
        if self.opening.basis is CostBasis.LIFO:
            return units.pop()
        if self.opening.basis is CostBasis.HIFO:
            return units.pop(units.index(max(units) if sign > 0 else min(units)))
        average = sum(units, Fraction(0)) / len(units)
        units[:] = [average] * (len(units) - 1)
        return average


def _place(capture: Capture) -> tuple[object, datetime, bool, str]:
    """Book order, for captures of one source without sequences."""
    is_sale = capture.side is Side.SELL
    return capture.trade_date, capture.executed_at or NO_TIME, is_sale, capture.external_id


class Model:
    """One tenant's world."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.instruments: set[str] = set()
        self.named: dict[str, Capture] = {}
        self.waiting: dict[str, Capture] = {}
        self.released: set[str] = set()
        self.amends: dict[str, dict[int, Capture]] = {}
        self.busted: set[str] = set()
        self.words: dict[str, list[Word]] = {}
        self.placed: set[str] = set()
        self.outcomes: dict[tuple[str, object], Expected] = {}

    def open(self, portfolio: str, opening: Opening) -> Expected:
        """Open a portfolio."""
        held = self.accounts.get(portfolio)
        if held is None:
            self.accounts[portfolio] = Account(opening)
            self.accounts[portfolio].words = self.words
            return ACCEPTED
        return AGAIN if held.opening == opening else conflict("portfolio_already_open")

    def move(self, portfolio: str, amount: Decimal) -> Expected:
        """Bring cash in, or take it out (an amount below zero)."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if amount < 0 and account.free() < -amount:
            return rejected("insufficient_cash")
        code = account.restriction(MONDAY, is_frozen_for_it=amount < 0)
        if code is not None:
            return rejected(code)
        account.flows.append(amount)
        return ACCEPTED

    def book_fact(self, portfolio: str, amount: Decimal) -> Expected:
        """Book a fee, interest or an executed exchange: never refused."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        account.flows.append(amount)
        return ACCEPTED

    def exchange(self, portfolio: str, sold: Decimal) -> Expected:
        """Ask to sell dollars."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if account.free() < sold and not account.opening.allows_leverage:
            return rejected("insufficient_cash")
        code = account.restriction(MONDAY)
        return self.book_fact(portfolio, -sold) if code is None else rejected(code)

    def freeze(self, portfolio: str, reason: str) -> Expected:
        """Freeze a portfolio."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if account.frozen is not None:
            return AGAIN if account.frozen == reason else rejected("portfolio_frozen")
        account.frozen = reason
        return ACCEPTED

    def unfreeze(self, portfolio: str) -> Expected:
        """Lift a freeze."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if account.frozen is None:
            return rejected("portfolio_not_frozen")
        account.frozen = None
        return ACCEPTED

    def close(self, portfolio: str, on_date: date) -> Expected:
        """End a portfolio; nothing of it settles in these worlds."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if account.closed is not None:
            return AGAIN if account.closed == on_date else rejected("portfolio_closed")
        if any(account.held(instrument).quantity for instrument in self.instruments):
            return rejected("positions_open")
        if account.cash():
            return rejected("cash_held")
        if account.is_pending():
            return rejected("cash_pending")
        account.closed = on_date
        return ACCEPTED

    def close_period(self, portfolio: str, until: date) -> Expected:
        """Close books."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if account.period == until:
            return AGAIN
        if until <= account.closed_until:
            return rejected("period_already_closed")
        account.period = account.closed_until = until
        return ACCEPTED

    def reopen_period(self, portfolio: str, from_date: date) -> Expected:
        """Open books again."""
        account = self.accounts.get(portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if from_date > account.closed_until:
            return rejected("period_not_closed")
        account.period, account.closed_until = None, from_date - timedelta(days=1)
        return ACCEPTED

    def register(self, instrument: str) -> Expected:
        """Register an instrument."""
        if instrument in self.instruments:
            return AGAIN
        self.instruments.add(instrument)
        return ACCEPTED

    def capture(self, capture: Capture) -> Expected:
        """Capture a trade."""
        first = self.named.get(capture.external_id)
        if first is not None:
            if first != capture:
                return conflict("external_id_conflict")
            return self.outcomes[capture.external_id, "capture"]._replace(is_replayed=True)
        account = self.accounts.get(capture.portfolio)
        if account is None:
            return rejected("portfolio_unknown")
        if capture.instrument not in self.instruments:
            if capture.intent is Intent.PROPOSED:
                return rejected("instrument_unknown")
        elif capture.intent is Intent.PROPOSED:
            code = self._breach(account, capture)
            if code is not None:
                return rejected(code)
        name = capture.external_id
        self.named[name] = capture
        if capture.instrument in self.instruments:
            self.placed.add(name)
        if name in self.busted:
            self._keep_busted(name)
        amends = self.amends.get(name)
        final = capture if amends is None else amends[max(amends)]
        is_parked = name not in self.busted and not self._put(final)
        self.outcomes[name, "capture"] = ACCEPTED._replace(is_parked=is_parked)
        return self.outcomes[name, "capture"]

    def amend(self, revision: int, capture: Capture) -> Expected:
        """Amend a trade, known or not."""
        name = capture.external_id
        amends = self.amends.get(name, {})
        if revision in amends:
            if amends[revision] != capture:
                return conflict("revision_conflict")
            return self.outcomes[name, revision]._replace(is_replayed=True)
        if capture.portfolio not in self.accounts:
            return rejected("portfolio_unknown")
        expected = ACCEPTED
        if name in self.busted or any(each > revision for each in amends):
            expected = ACCEPTED._replace(is_superseded=True)
        elif name not in self.named:
            expected = ACCEPTED._replace(is_held=True)
        else:
            self._take_out(name)
            expected = ACCEPTED._replace(is_parked=not self._put(capture))
        self.amends.setdefault(name, {})[revision] = capture
        self.outcomes[name, revision] = expected
        return expected

    def bust(self, name: str, portfolio: str) -> Expected:
        """Bust a trade, known or not."""
        if name in self.busted:
            return self.outcomes[name, "bust"]._replace(is_replayed=True)
        if portfolio not in self.accounts:
            return rejected("portfolio_unknown")
        self.busted.add(name)
        self._take_out(name)
        self._keep_busted(name)
        self.outcomes[name, "bust"] = ACCEPTED._replace(is_held=name not in self.named)
        return self.outcomes[name, "bust"]

    def _keep_busted(self, name: str) -> None:
        """Remember the first content: by it what was settled of a busted trade comes back."""
        if name in self.placed:
            self.accounts[self.named[name].portfolio].busted.append(self.named[name])

    def tell_word(self, name: str, portfolio: str, word: Word) -> Expected:
        """Take a custodian's word, whether its trade is known or not."""
        key = f"{word.kind} {word.number}"
        told = self.words.get(name, [])
        for earlier in told:
            if (earlier.kind, earlier.number) == (word.kind, word.number):
                if earlier != word:
                    return conflict("settlement_conflict")
                return self.outcomes[name, key]._replace(is_replayed=True)
        if portfolio not in self.accounts:
            return rejected("portfolio_unknown")
        self.words.setdefault(name, []).append(word)
        self.outcomes[name, key] = ACCEPTED._replace(is_held=name not in self.named)
        return self.outcomes[name, key]

    def held(self) -> list[str]:
        """Names of trades that nobody captured, and of which something is known."""
        known = self.amends.keys() | self.busted | self.words.keys()
        return sorted(known - self.named.keys())

    def _put(self, capture: Capture) -> bool:
        """Book content whose instrument is known; else let it wait, and say False."""
        if capture.instrument not in self.instruments:
            self.waiting[capture.external_id] = capture
            return False
        self.accounts[capture.portfolio].booked.append(capture)
        return True

    def _take_out(self, name: str) -> None:
        self.waiting.pop(name, None)
        for account in self.accounts.values():
            account.booked = [each for each in account.booked if each.external_id != name]

    def release(self, external_id: str) -> Expected:
        """Release a parked trade."""
        capture = self.waiting.get(external_id)
        if capture is None:
            return AGAIN if external_id in self.released else rejected("trade_not_parked")
        if capture.instrument not in self.instruments:
            return rejected("instrument_unknown")
        self.released.add(external_id)
        del self.waiting[external_id]
        self._put(capture)
        if external_id not in self.amends:
            self.placed.add(external_id)
        return ACCEPTED

    def batch(self, captures: list[Capture], *, is_atomic: bool) -> list[Expected]:
        """Capture several in order; an atomic batch of more than one is all or nothing."""
        before = copy.deepcopy(vars(self))
        expected: list[Expected] = []
        for place, capture in enumerate(captures):
            one = self.capture(capture)
            if is_atomic and len(captures) > 1 and one.status is not Status.ACCEPTED:
                vars(self).update(before)
                after = len(captures) - place - 1
                return [NOT_ATTEMPTED] * place + [one] + [NOT_ATTEMPTED] * after
            expected.append(one)
        return expected

    def _breach(self, account: Account, capture: Capture) -> str | None:
        is_sale = capture.side is Side.SELL
        value = capture.quantity * capture.price
        change = (value if is_sale else -value) - capture.fee
        if change < 0 and account.cash() + change < 0 and not account.opening.allows_leverage:
            return "insufficient_cash"
        left = account.held(capture.instrument).quantity - capture.quantity
        if is_sale and left < 0 and not account.opening.allows_short:
            return "short_not_allowed"
        assert capture.trade_date is not None, "captures here are dated"
        return account.restriction(capture.trade_date)
