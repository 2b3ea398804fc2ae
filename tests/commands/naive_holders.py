"""What a portfolio comes to: every fill, action, transfer and change of basis, folded anew."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import partial
from typing import NamedTuple, TypeAlias

from domain.corporate_actions import Action, CashDividend, SpinOff, Split, child_lot
from domain.identity import derive, trade_id
from domain.lots import CostBasis, Side
from domain.trade import Capture
from domain.transfers import Transfer, received_lot
from tests.commands.naive_lots import NOTHING, NaiveBook, NaiveLot

Key: TypeAlias = tuple[date, int, datetime, str, bool, str]
"""Date, rank (basis, actions, trades, transfers), time, source, buys first, name."""

NO_TIME = datetime.min.replace(tzinfo=UTC)
Step: TypeAlias = tuple[Key, Callable[[], None]]
"""What happens in a book at a place."""


class Sent(NamedTuple):
    """A transfer, and the lots that it took when it was told."""

    transfer: Transfer
    lots: list[NaiveLot]


class Due(NamedTuple):
    """A dividend, due or paid."""

    gross: Fraction = NOTHING
    withheld: Fraction = NOTHING


class Opening(NamedTuple):
    """How a portfolio was opened."""

    basis: CostBasis
    allows_leverage: bool
    allows_short: bool


class Holder:
    """What a portfolio comes to."""

    def __init__(self, basis: CostBasis, parent: str, child: str) -> None:
        self.books = {name: NaiveBook(basis) for name in (parent, child)}
        self.cash = NOTHING
        self.dues: dict[tuple[str, str], Due] = {}


class Listing:
    """What was told of the life of an instrument."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.reversed: dict[str, str] = {}
        self.trading: list[tuple[bool, datetime]] = []
        self.delisted: date | None = None
        self.names: dict[tuple[str, date], str] = {}
        self.written_down: tuple[int, datetime] | None = None

    def is_active(self, wanted: Capture) -> bool:
        """Say whether it trades at a trade's time; without one, at the end of its date."""
        assert wanted.trade_date is not None, "captures here are dated"
        if self.delisted is not None and self.delisted <= wanted.trade_date:
            return False
        end = datetime.combine(wanted.trade_date + timedelta(days=1), time.min, UTC)
        at = wanted.executed_at or end
        told = [is_suspended for is_suspended, since in self.trading if since <= at]
        return not (told and told[-1])


class Told(NamedTuple):
    """All that stands of what concerns a portfolio."""

    world: str
    portfolio: str
    opening: Opening
    actions: list[Action]
    fills: list[Capture]
    sent: list[Sent]
    changes: list[tuple[date, CostBasis]]
    cash: Fraction


def cash_of(wanted: Capture) -> Fraction:
    """What a trade moves in cash."""
    value = wanted.quantity * wanted.price
    return Fraction((-value if wanted.side is Side.BUY else value) - wanted.fee)


def key_of_trade(wanted: Capture) -> Key:
    """Its place."""
    assert wanted.trade_date is not None, "captures here are dated"
    is_sale = wanted.side is Side.SELL
    at = wanted.executed_at or NO_TIME
    return (wanted.trade_date, 2, at, wanted.source, is_sale, wanted.external_id)


def key_of_transfer(transfer: Transfer) -> Key:
    """Its place: among trades by its time, without one behind them."""
    name = f"{transfer.portfolio}/{transfer.transfer}"
    if transfer.at is not None:
        return (transfer.trade_date, 2, transfer.at, "", True, name)
    return (transfer.trade_date, 3, NO_TIME, "", True, name)


def key_of_action(action: Action) -> Key:
    """Its place: before every trade of its ex-date."""
    return (action.ex_date, 1, NO_TIME, action.instrument, True, action.action)


def fold(told: Told, parent: str, child: str, before: Key | None) -> Holder:
    """Fold everything in book order, up to a place; the child behind its parent."""
    held = Holder(told.opening.basis, parent, child)
    held.cash = told.cash
    spun_off: list[Step] = []
    for name in (parent, child):
        steps = _steps(told, held, name, spun_off)
        if name == child:
            steps += spun_off
        for key, step in sorted(steps, key=lambda each: each[0]):
            if before is None or key < before:
                step()
    return held


def _steps(told: Told, held: Holder, name: str, spun_off: list[Step]) -> list[Step]:
    book = held.books[name]
    steps: list[Step] = [
        ((day, 0, NO_TIME, "", True, ""), partial(book.rebase, basis))
        for day, basis in told.changes
    ]
    steps += [
        (key_of_action(action), partial(_act, held, action, spun_off))
        for action in told.actions
        if action.instrument == name
    ]
    steps += [
        (key_of_trade(each), partial(_trade, held, told.world, each))
        for each in told.fills
        if each.instrument == name
    ]
    for sent in told.sent:
        transfer = sent.transfer
        if transfer.instrument != name:
            continue
        if transfer.portfolio == told.portfolio:
            steps.append((key_of_transfer(transfer), partial(_give, book, sent)))
        elif transfer.to_portfolio == told.portfolio:
            lots = [lot._replace(name=received_lot(transfer, lot.name)) for lot in sent.lots]
            steps.append((key_of_transfer(transfer), partial(book.receive, lots)))
    return steps


def _trade(held: Holder, world: str, wanted: Capture) -> None:
    assert wanted.trade_date is not None, "captures here are dated"
    sign = 1 if wanted.side is Side.BUY else -1
    quantity = sign * Fraction(wanted.quantity)
    name = trade_id(world, wanted.source, wanted.external_id, None)
    book = held.books[wanted.instrument]
    book.trade(name, wanted.trade_date, quantity, quantity * Fraction(wanted.price))
    held.cash += cash_of(wanted)


def _give(book: NaiveBook, sent: Sent) -> None:
    """Take the told quantity away; what is lacking is owed, at the told cost."""
    transfer = sent.transfer
    quantity = sum((lot.quantity for lot in sent.lots), NOTHING)
    cost = sum((lot.cost for lot in sent.lots), NOTHING)
    taken: list[NaiveLot] = []
    if book.quantity * quantity > 0:
        named = [(lot.name, abs(lot.quantity)) for lot in sent.lots]
        taken = book.take(abs(quantity), named)
    lacking = quantity - sum((lot.quantity for lot in taken), NOTHING)
    if lacking:
        owed = derive("lot", str(transfer.entry_id), "owed")
        book.join(NaiveLot(owed, transfer.trade_date, -lacking, -cost * lacking / quantity))


def _act(held: Holder, action: Action, spun_off: list[Step]) -> None:
    book = held.books[action.instrument]
    if isinstance(action, CashDividend):
        gross = book.quantity * Fraction(action.per_unit)
        withheld = gross * Fraction(action.withholding_rate) if gross > 0 else NOTHING
        held.dues[action.instrument, action.action] = Due(gross, withheld)
        return
    price = None if action.fraction_price is None else int(action.fraction_price)
    if isinstance(action, SpinOff):
        name_of = partial(child_lot, action)
        child = book.divide(Fraction(action.cost_share), name_of)
        child.multiply(action.new, action.old)
        held.cash += child.pay_fraction(action.ex_date, price)
        came = partial(_receive, held.books[action.child], child)
        spun_off.append((key_of_action(action), came))
        return
    if isinstance(action, Split):
        book.multiply(action.new, action.old)
    else:
        book.multiply(action.held + action.new, action.held)
    held.cash += book.pay_fraction(action.ex_date, price)


def _receive(book: NaiveBook, child: NaiveBook) -> None:
    """Take a child's lots in, with what its fraction realised."""
    book.realised += child.realised
    book.receive(child.lots)
