"""Settling trades by a custodian's word, in any order of arrival (convention 10).

What custodians tell are facts, kept by their own names for them; how a trade's settlement stands is
a function of those and of the trade's content, whatever came first. Where the portfolio's policy is
`actual`, its cash follows: awaited until it is settled, failing while a fail stands.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.instrument import differing_fields
from domain.lots import Side
from domain.money import ZERO, canonical, share, within
from domain.portfolio.booking import consideration
from domain.portfolio.events import TradeCashMoved
from domain.rejection import Breach, Conflict
from domain.trade import (
    Capture,
    Settlement,
    SettlementStatus,
    SettlementWord,
    TradeAmended,
    TradeBusted,
    TradeCaptured,
    TradeEvent,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from domain.trade_state import Trade, Word

NOT_SAID = frozenset({"portfolio", "received_at", "settlement"})
"""Fields of a word that the system decides: a trade that is known is where it is."""


class CashStanding(msgspec.Struct, frozen=True, gc=False):
    """What a custodian did to the cash of a trade in force in a portfolio; signed."""

    portfolio: str
    currency: str
    value_date: date
    is_payment: bool
    settled: Decimal = ZERO
    failing: Decimal = ZERO


def earlier_word(trade: Trade, told: SettlementWord) -> Word | None:
    """Find the same word told before under its name; None when it is new.

    Raises:
        Conflict: `settlement_conflict`, naming the fields in which its content differs.
    """
    match told:
        case TradeSettled():
            name, known = told.settlement_id, trade.settlements
        case TradeSettlementFailed():
            name, known = told.failure_id, trade.failures
        case TradeSettlementResumed():
            name, known = told.failure_id, trade.resumptions
    word = known.get(name)
    if word is None:
        return None
    fields = tuple(each for each in differing_fields(word.event, told) if each not in NOT_SAID)
    if fields:
        message = (
            f"{told.source} already told {name} of trade {told.external_id} with other "
            f"{', '.join(fields)}: give another settlement another name."
        )
        raise Conflict("settlement_conflict", message, fields=fields)
    return word


def take_word(
    trade: Trade, told: SettlementWord
) -> tuple[SettlementWord, list[TradeCashMoved], tuple[Breach, ...]]:
    """Decide a word that was not told before: it stands, or waits for its trade.

    Gives it with how the settlement stands then, the cash it moves, and what it breaches.

    Raises:
        Rejection: `out_of_range` when a result cannot be carried.
    """
    after = trade.fork()
    after.apply(told)
    if trade.accepted is None or after.content is None:
        return told, [], ()
    told = replace(told, portfolio=after.content.portfolio)
    standing = settlement_of(after)
    moved = cash_moved(trade, after, told.trade_id)
    return replace(told, settlement=standing), moved, _breaches(after, standing)


def follow_trade(
    trade: Trade, events: Iterable[TradeEvent], trade_id: UUID
) -> tuple[tuple[TradeEvent, ...], list[TradeCashMoved]]:
    """Let the settlement of a trade follow what a capture, release, amend or bust makes of it.

    Gives the events, its new content with how its settlement stands, and the cash this moves.
    """
    if not (trade.settlements or trade.failures):
        return tuple(events), []
    after = trade.fork()
    told: list[TradeEvent] = []
    for event in events:
        after.apply(event)
        if isinstance(event, TradeCaptured | TradeReleased | TradeAmended | TradeBusted):
            told.append(replace(event, settlement=settlement_of(after)))
        else:
            told.append(event)
    return tuple(told), cash_moved(trade, after, trade_id)


def settlement_of(trade: Trade) -> Settlement:
    """Say how the settlement of a trade's content stands, by all that was told of it."""
    content, _ = trade.settling
    quantity, cash = _settled(trade, content)
    fails = _standing_fails(trade)
    reason: str | None = None
    if quantity >= content.quantity:
        status = SettlementStatus.SETTLED
    elif fails:
        status = SettlementStatus.FAILED
        reason = max(fails, key=lambda each: (each.failed_on, each.failure_id)).reason
    elif quantity > 0 or cash:
        status = SettlementStatus.PARTIALLY_SETTLED
    else:
        status = SettlementStatus.UNSETTLED
    return Settlement(
        status, within("settled quantity", quantity), within("settled cash", cash), reason
    )


def cash_moved(before: Trade, after: Trade, trade_id: UUID) -> list[TradeCashMoved]:
    """Give what brings a portfolio's cash from one standing of a trade to another.

    What stood for other content is taken back from its value date first.
    """
    was, now = _standing(before), _standing(after)
    if was is not None and now is not None and _place(was) == _place(now):
        change = (now, now.settled - was.settled, now.failing - was.failing)
        changes = [change]
    else:
        changes = [(was, -was.settled, -was.failing)] if was is not None else []
        changes += [(now, now.settled, now.failing)] if now is not None else []
    return [
        TradeCashMoved(
            portfolio=standing.portfolio,
            trade_id=trade_id,
            value_date=standing.value_date,
            currency=standing.currency,
            is_payment=standing.is_payment,
            awaited=within("awaited cash", -settled - failing),
            failing=within("failing cash", failing),
            settled=within("settled cash", settled),
        )
        for standing, settled, failing in changes
        if settled or failing
    ]


def _standing(trade: Trade) -> CashStanding | None:
    """Give what was done to a trade's cash; None where nothing of it waits for a custodian."""
    if trade.accepted is None:
        return None
    content, awaited_on = trade.settling
    if awaited_on is None:
        return None
    expected = _cash_of(content)
    settlement = settlement_of(trade)
    rest = expected - settlement.cash
    is_failing = settlement.status is SettlementStatus.FAILED and trade.bust is None
    return CashStanding(
        content.portfolio,
        content.currency,
        awaited_on,
        expected <= 0,
        settlement.cash,
        rest if is_failing and rest * expected > 0 else ZERO,
    )


def _place(standing: CashStanding) -> tuple[object, ...]:
    return standing.portfolio, standing.currency, standing.value_date, standing.is_payment


def _settled(trade: Trade, content: Capture) -> tuple[Decimal, Decimal]:
    """Sum what was settled of some content: quantity, and cash as the portfolio sees it."""
    quantity = pro_rata = cash = ZERO
    for word in trade.settlements.values():
        told = word.event
        assert isinstance(told, TradeSettled), "settlements are kept as such"
        sign = -1 if told.is_reversal else 1
        part = told.quantity
        if part is None:
            part = content.quantity if told.cash_change is None else ZERO
        quantity += sign * part
        if told.cash_change is None:
            pro_rata += sign * part
        else:
            cash += told.cash_change
    return canonical(quantity), canonical(
        cash + share(_cash_of(content), pro_rata, content.quantity)
    )


def _cash_of(content: Capture) -> Decimal:
    amount = consideration(content.quantity, content.price, content.consideration)
    return (-amount if content.side is Side.BUY else amount) - content.fee


def _standing_fails(trade: Trade) -> list[TradeSettlementFailed]:
    unresolved = set(trade.failures).difference(trade.resumptions)
    words = (trade.failures[failure_id].event for failure_id in unresolved)
    return [each for each in words if isinstance(each, TradeSettlementFailed)]


def _breaches(trade: Trade, settlement: Settlement) -> tuple[Breach, ...]:
    """Name a settlement of more than there is: of a busted trade, anything."""
    content, _ = trade.settling
    limit = content.quantity if trade.bust is None else ZERO
    if settlement.quantity <= limit:
        return ()
    return (
        Breach(
            "over_settled",
            f"{settlement.quantity:f} settled of {limit:f}.",
            limit=f"{limit:f}",
            actual=f"{settlement.quantity:f}",
        ),
    )
