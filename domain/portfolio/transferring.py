"""Transferring lots from one portfolio to another of the same tenant: asked for, all or none."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from domain.book import Book, Refolded
from domain.book_order import BookKey
from domain.calendars import local_date
from domain.corporate_actions import scale_between, value_at_mark
from domain.held import Applied, Received
from domain.instrument import Instrument
from domain.lots import Fill, Lot
from domain.money import ZERO, canonical, within
from domain.portfolio.acting import cascade, catch_up, catch_up_book
from domain.portfolio.overdue import Acting
from domain.portfolio.restating import restatement, totals_of
from domain.portfolio.standing import listed, refuse
from domain.portfolio.transfer_events import (
    LotsTransferredIn,
    LotsTransferredOut,
    ValuedAt,
)
from domain.portfolio.working import Working
from domain.refolding import with_entry
from domain.rejection import Breach, Rejection
from domain.rules.proposal import CLOCK_SKEW
from domain.transfers import Asked, Given, Transfer, lots_chosen


class Priced(NamedTuple):
    """A price, the date in whose units it is told, and where it comes from."""

    price: Decimal
    day: date
    valued_at: ValuedAt


def transfer_lots(
    transfer: Transfer,
    *,
    sender: Working,
    receiver: Working,
    acting: Acting,
    close: Priced | None,
    now: datetime,
) -> None:
    """Decide a transfer that was not told before, into both portfolios as they are worked on.

    `close` is the last close up to the transfer, if there is one; without it the lots are valued at
    the last trade of the sender, or else of the receiver.

    Raises:
        Rejection: `portfolio_frozen` (the sender), `portfolio_closed` or `period_closed` (either),
            `transfer_from_the_future`, `lot_not_open`, `quantity_not_held`, `lots_too_many`,
            `short_not_allowed`, `price_missing` or `out_of_range`.
    """
    name = transfer.instrument
    _require_allowed(transfer, sender, receiver)
    _require_past(transfer, sender.instrument(name), now)
    until = max(transfer.trade_date, acting.today(sender.instrument(name).calendar))
    for working in (sender, receiver):
        catch_up(working, acting)
        catch_up_book(working, name, until=until, upcoming=transfer.key)
    book, asked = sender.book(name), Asked(transfer)
    refolded = with_entry(book, asked, sender.history(name), version=sender.version)
    assert isinstance(refolded.own, Applied), "an entry that is no fill is applied"
    given = Given(transfer, lots_chosen(transfer, refolded.own.before))
    quantity = sum((lot.quantity for lot in given.lots), ZERO)
    priced = close or _last_trade(transfer, sender, receiver)
    value = _value(transfer, sender.instrument(name), quantity, priced)
    _give(sender, given, refolded._replace(entry=given), value, priced)
    _receive(receiver, given, value, priced)
    for working in (sender, receiver):
        catch_up_book(working, name, until=until)
        _require_no_new_short(working, name, -quantity if working is sender else quantity)


def _require_allowed(transfer: Transfer, sender: Working, receiver: Working) -> None:
    from_standing, to_standing = sender.portfolio.standing, receiver.portfolio.standing
    refuse(
        listed(
            from_standing.frozen_breach(),
            from_standing.closed_breach(),
            to_standing.closed_breach(),
            from_standing.period_breach(transfer.trade_date),
            to_standing.period_breach(transfer.trade_date),
        )
    )


def _require_past(transfer: Transfer, instrument: Instrument, now: datetime) -> None:
    latest = now + CLOCK_SKEW
    today = local_date(instrument.calendar, latest)
    if transfer.trade_date > today or (transfer.at is not None and transfer.at > latest):
        actual = transfer.trade_date if transfer.at is None else transfer.at
        message = f"{actual.isoformat()} has not come yet."
        breach = Breach("transfer_from_the_future", message, today.isoformat(), actual.isoformat())
        raise Rejection(breach.rule, message, breaches=(breach,))


def _require_no_new_short(working: Working, name: str, quantity: Decimal) -> None:
    """Let a transfer, perhaps one told late, leave no short position that is not allowed."""
    held = working.book(name).quantity
    if working.opened.allows_short or held >= 0 or quantity >= 0:
        return
    portfolio = working.opened.portfolio
    message = f"It would leave {portfolio} short of {-held:f} {name}."
    breach = Breach("short_not_allowed", message, limit="0", actual=f"{held:f}")
    raise Rejection(breach.rule, message, breaches=(breach,))


def _last_trade(transfer: Transfer, *parties: Working) -> Priced:
    """Give the last price, in book order, at which the first of them traded that did trade.

    Raises:
        Rejection: `price_missing`.
    """
    for party in parties:
        fills = [
            each
            for _, each in party.history(transfer.instrument)(1)
            if isinstance(each, Fill) and each.key < transfer.key
        ]
        if fills:
            last = max(fills, key=lambda fill: fill.key)
            return Priced(last.price, last.trade_date, ValuedAt.TRADE)
    message = f"{transfer.instrument} has neither a close nor a trade: its lots have no value."
    raise Rejection("price_missing", message)


def _value(
    transfer: Transfer, instrument: Instrument, quantity: Decimal, priced: Priced
) -> Decimal:
    actions = [
        action
        for action in instrument.actions.values()
        if action.action not in instrument.reversed_actions
    ]
    scale = scale_between(actions, marked_on=priced.day, valued_on=transfer.trade_date)
    return within("market value", value_at_mark(quantity, priced.price, scale))


def _give(
    sender: Working, given: Given, refolded: Refolded, value: Decimal, priced: Priced
) -> None:
    name, book = given.transfer.instrument, sender.book(given.transfer.instrument)
    assert isinstance(refolded.own, Applied), "an entry that is no fill is applied"
    before, after = refolded.own.before, refolded.own.after
    currency = sender.instrument(name).currency
    cost_change = after.cost - before.cost
    event = LotsTransferredOut(
        portfolio=sender.opened.portfolio,
        instrument=name,
        currency=currency,
        transfer=given.transfer,
        lots=given.lots,
        totals=totals_of(refolded.after),
        quantity_change=canonical(after.quantity - before.quantity),
        cost_change=canonical(cost_change),
        flow=canonical(-value),
        carried=canonical(value + cost_change),
        price=priced.price,
        valued_at=priced.valued_at,
        is_late=_is_late(book, given.key),
        rate_to_base=sender.rate_at(currency, given.transfer.moment),
    )
    pages = restatement(sender.opened.portfolio, name, currency, book, refolded)
    sender.take([event, *pages], book=name, worked_out=refolded)
    cascade(sender, refolded)


def _receive(receiver: Working, given: Given, value: Decimal, priced: Priced) -> None:
    name, book = given.transfer.instrument, receiver.book(given.transfer.instrument)
    entry: Received = given.received()
    refolded = with_entry(book, entry, receiver.history(name), version=receiver.version)
    own = refolded.own
    assert isinstance(own, Applied), "an entry that is no fill is applied"
    currency = receiver.instrument(name).currency
    event = LotsTransferredIn(
        portfolio=receiver.opened.portfolio,
        instrument=name,
        currency=currency,
        transfer=given.transfer,
        lots=entry.lots,
        totals=totals_of(refolded.after),
        quantity_change=canonical(own.after.quantity - own.before.quantity),
        flow=value,
        carried=canonical(_cost(entry.lots) - value),
        price=priced.price,
        valued_at=priced.valued_at,
        realised_gross=own.realised_gross,
        realised_net=own.realised_net,
        is_late=_is_late(book, entry.key),
        rate_to_base=receiver.rate_at(currency, given.transfer.moment),
    )
    pages = restatement(receiver.opened.portfolio, name, currency, book, refolded)
    receiver.take([event, *pages], book=name, worked_out=refolded)
    cascade(receiver, refolded)


def _cost(lots: tuple[Lot, ...]) -> Decimal:
    return sum((lot.cost for lot in lots), ZERO)


def _is_late(book: Book, key: BookKey) -> bool:
    return book.last_key is not None and key < book.last_key
