"""Corporate actions: what each makes of a holder's lots and cash (convention 7).

An action takes effect at the start of its ex-date, before any trade of that date, on the lots open
at the end of the day before. Signs are those of lots: short ones have negative quantity and cost.
Long positions receive, short ones owe. Only shares are rounded, half-even to 12 decimals, and
cumulated over the lots so that the last takes the remainder: quantity and cost come out whole.
"""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple, TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.book_order import CORPORATE_ACTION, NO_TIME_OF_DAY, BookKey
from domain.held import Applied, Due, Held, Received, at_pool_cost
from domain.identity import derive
from domain.lots import CostBasis, Fill, Lot, Matching, Side, match
from domain.money import ONE, SMALLEST, ZERO, canonical, product, ratio, share, within
from domain.rejection import Rejection

RATIO_MAX = 1_000_000
SOURCE = "corporate_action"


class Declared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What every action says; `action` names it among those of its instrument."""

    action: str
    instrument: str
    ex_date: date

    @property
    def key(self) -> BookKey:
        """Its place in book order: before every trade of its ex-date."""
        place = (self.ex_date, CORPORATE_ACTION, NO_TIME_OF_DAY)
        return (*place, self.instrument, True, 0, False, self.action)

    @property
    def entry_id(self) -> UUID:
        """What names it in the books of its holders."""
        return derive(SOURCE, self.instrument, self.action)

    def applied_to(self, held: Held) -> Applied:
        """Give what it makes of what is held at the end of the day before."""
        assert isinstance(self, Action), "there are no other kinds"
        return apply_action(self, held)


class Split(Declared, frozen=True, kw_only=True):
    """`new` units for every `old` ones: 7 for 1, or as a reverse split 1 for 10.

    `fraction_price` is paid for one new unit in place of a fraction of the position; absent:
    fractions are kept. Where `prices_adjusted`, prices from before are told in units of after it.
    """

    new: int
    old: int
    fraction_price: Decimal | None = None
    prices_adjusted: bool = False


class StockDividend(Declared, frozen=True, kw_only=True):
    """`new` further units for every `held` ones, at the cost and dates of those; see `Split`."""

    new: int
    held: int
    fraction_price: Decimal | None = None
    prices_adjusted: bool = False


class CashDividend(Declared, frozen=True, kw_only=True):
    """`per_unit` of `currency` for every unit, due from the ex-date and paid on the pay date.

    `withholding_rate` is a fraction of it; from what a short position owes nothing is withheld.
    """

    per_unit: Decimal
    currency: str
    withholding_rate: Decimal = ZERO
    pay_date: date


class SpinOff(Declared, frozen=True, kw_only=True):
    """`new` units of `child` for every `old` ones held, which take `cost_share` of the cost.

    `cost_share` is a fraction; `fraction_price` is that of one unit of the child, in its currency.
    """

    child: str
    new: int
    old: int
    cost_share: Decimal
    fraction_price: Decimal | None = None


Action: TypeAlias = Split | StockDividend | CashDividend | SpinOff


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An action as it was declared: just one of these is there."""

    split: Split | None = None
    stock_dividend: StockDividend | None = None
    cash_dividend: CashDividend | None = None
    spin_off: SpinOff | None = None

    @classmethod
    def of(cls, action: Action) -> "Terms":
        """Write an action."""
        match action:
            case Split():
                return cls(split=action)
            case StockDividend():
                return cls(stock_dividend=action)
            case CashDividend():
                return cls(cash_dividend=action)
            case SpinOff():
                return cls(spin_off=action)

    @property
    def action(self) -> Action:
        """The action itself."""
        found = self.split or self.stock_dividend or self.cash_dividend or self.spin_off
        assert found is not None, "one of the kinds is there"
        return found


class Scale(NamedTuple):
    """By how much units have multiplied: `new` for every `old`."""

    new: int = 1
    old: int = 1


def require_sound(action: Action) -> None:
    """Refuse an action that means nothing.

    Raises:
        Rejection: `ratio_invalid`, `amount_not_positive`, `rate_invalid`, `pay_date_too_early` or
            `spin_off_of_itself`.
    """
    match action:
        case Split():
            _require_ratio(action.new, action.old)
            _require_price(action.fraction_price)
        case StockDividend():
            _require_ratio(action.new, action.held)
            _require_price(action.fraction_price)
        case SpinOff():
            _require_ratio(action.new, action.old)
            _require_price(action.fraction_price)
            _require_fraction("cost_share", action.cost_share)
            if action.child == action.instrument:
                raise Rejection("spin_off_of_itself", f"{action.child} cannot be its own child.")
        case CashDividend():
            if action.per_unit <= 0:
                raise Rejection("amount_not_positive", "A dividend pays something for each unit.")
            _require_fraction("withholding_rate", action.withholding_rate)
            if action.pay_date < action.ex_date:
                raise Rejection("pay_date_too_early", "It is paid on its ex-date or later.")
        case _:
            assert_never(action)


def _require_ratio(new: int, old: int) -> None:
    if not (0 < new <= RATIO_MAX and 0 < old <= RATIO_MAX):
        raise Rejection("ratio_invalid", f"Both numbers of a ratio are from 1 to {RATIO_MAX}.")


def _require_price(price: Decimal | None) -> None:
    if price is not None and price < 0:
        raise Rejection("amount_not_positive", "Nobody pays less than nothing for a fraction.")


def _require_fraction(name: str, number: Decimal) -> None:
    if not 0 <= number <= 1:
        raise Rejection("rate_invalid", f"{name} is a fraction from 0 to 1.")


def apply_action(action: Action, before: Held) -> Applied:
    """Decide what a sound action makes of a holder's lots at the end of the day before.

    Raises:
        Rejection: `out_of_range` when a result cannot be carried.
    """
    match action:
        case CashDividend():
            due = _due(action, before.quantity)
            return Applied(before=before, after=before, due=due)
        case SpinOff():
            parent, child = _divided(before, action)
            received = _multiplied(child, Scale(action.new, action.old))
            child, in_lieu, cash = _paid_in_lieu(received, action, action.fraction_price)
            return Applied(
                before=before,
                after=parent,
                received=received,
                child=child,
                in_lieu=in_lieu,
                cash=cash,
            )
        case Split() | StockDividend():
            after = _multiplied(before, scale_of(action))
            after, in_lieu, cash = _paid_in_lieu(after, action, action.fraction_price)
            gross, net = (
                (ZERO, ZERO) if in_lieu is None else (in_lieu.realised_gross, in_lieu.realised_net)
            )
            return Applied(
                before=before,
                after=after,
                in_lieu=in_lieu,
                cash=cash,
                realised_gross=gross,
                realised_net=net,
            )
        case _:
            assert_never(action)


def _due(action: CashDividend, quantity: Decimal) -> Due | None:
    if not quantity:
        return None
    gross = within("dividend", product(quantity, action.per_unit))
    withheld = share(gross, action.withholding_rate, ONE) if gross > 0 else ZERO
    return Due(gross, withheld, action.currency, action.pay_date)


def child_lot(action: SpinOff, parent: UUID) -> UUID:
    """Name the lot of a child that a parent's lot gave."""
    return derive("lot", str(action.entry_id), str(parent))


def received_by_child(action: SpinOff, applied: Applied | None) -> Received:
    """Give the entry that stands in the child's book; without lots where nothing is applied."""
    if applied is None or applied.child is None:
        return Received(entry_id=action.entry_id, key=action.key, lots=())
    paid = applied.in_lieu
    return Received(
        entry_id=action.entry_id,
        key=action.key,
        lots=applied.child.lots,
        realised_gross=ZERO if paid is None else paid.realised_gross,
        realised_net=ZERO if paid is None else paid.realised_net,
    )


def _divided(held: Held, action: SpinOff) -> tuple[Held, Held]:
    """Divide the cost of lots between themselves and as many lots of a child."""
    cost_share = action.cost_share
    parents: list[Lot] = []
    children: list[Lot] = []
    cost = fee = child_cost = child_fee = ZERO
    for lot in held.lots:
        cost, fee = cost + lot.cost, fee + lot.fee
        given_cost = share(cost, cost_share, ONE) - child_cost
        given_fee = share(fee, cost_share, ONE) - child_fee
        child_cost, child_fee = child_cost + given_cost, child_fee + given_fee
        kept = (lot.cost - given_cost, lot.fee - given_fee)
        parents.append(_lot(lot, lot.quantity, *kept, ONE - cost_share, ONE))
        given = _lot(lot, lot.quantity, given_cost, given_fee, cost_share, ONE)
        children.append(replace(given, trade_id=child_lot(action, lot.trade_id)))
    child_cost, child_fee = share(held.cost, cost_share, ONE), share(held.fees, cost_share, ONE)
    left = map(canonical, (held.cost - child_cost, held.fees - child_fee))
    child = Held(held.basis, tuple(children), held.quantity, child_cost, child_fee)
    if held.basis is CostBasis.AVERAGE:
        child = at_pool_cost(child)
    return Held(held.basis, tuple(parents), held.quantity, *left), child


def _multiplied(held: Held, scale: Scale) -> Held:
    """Multiply the quantity of every lot, at the cost and dates they have.

    A lot too small to be left with a quantity leaves its cost to the next, or to the last before;
    a whole position too small keeps the smallest quantity there is.
    """
    new, old = Decimal(scale.new), Decimal(scale.old)
    lots: list[Lot] = []
    quantity = done = cost = fee = ZERO
    for lot in held.lots:
        quantity += lot.quantity
        until = within("quantity", share(quantity, new, old))
        cost, fee = cost + lot.cost, fee + lot.fee
        if until != done:
            lots.append(_lot(lot, until - done, cost, fee, old, new))
            done, cost, fee = until, ZERO, ZERO
    if held.lots and not lots:
        done = SMALLEST.copy_sign(quantity)
        lots.append(_lot(held.lots[-1], done, cost, fee, old, new))
    elif cost or fee:
        last = lots.pop()
        lots.append(_lot(last, last.quantity, last.cost + cost, last.fee + fee, ONE, ONE))
    return Held(held.basis, tuple(lots), done, held.cost, held.fees)


def _lot(
    lot: Lot, quantity: Decimal, cost: Decimal, fee: Decimal, part: Decimal, whole: Decimal
) -> Lot:
    """Change a lot; the cost of a unit that ranks it under HIFO is `part` of `whole` from now."""
    unit_cost = lot.unit_cost
    if unit_cost is not None:
        unit_cost = within("unit_cost", share(unit_cost, part, whole))
    numbers = (canonical(quantity), canonical(cost), canonical(fee))
    return Lot(lot.trade_id, lot.trade_date, *numbers, unit_cost)


def _paid_in_lieu(
    held: Held, action: Split | StockDividend | SpinOff, price: Decimal | None
) -> tuple[Held, Matching | None, Decimal]:
    """Close the fraction of a position for cash, from the lots that its cost basis chooses."""
    fraction = abs(held.quantity - held.quantity.to_integral_value(ROUND_DOWN))
    if price is None or not fraction:
        return held, None, ZERO
    is_long = held.quantity > 0
    amount = within("cash in lieu", product(fraction, price))
    closing = Fill(
        trade_id=derive(SOURCE, action.instrument, action.action),
        source=SOURCE,
        external_id=action.action,
        side=Side.SELL if is_long else Side.BUY,
        quantity=canonical(fraction),
        price=price,
        consideration=amount,
        trade_date=action.ex_date,
    )
    matching = match(held, closing)
    return held.after(matching), matching, amount if is_long else -amount


def scale_of(action: Action) -> Scale:
    """Give by how much an action multiplies units, and divides the prices from before it."""
    if isinstance(action, Split):
        return Scale(action.new, action.old)
    if isinstance(action, StockDividend):
        return Scale(action.held + action.new, action.held)
    return Scale()


def scale_between(actions: Iterable[Action], *, marked_on: date, valued_on: date) -> Scale:
    """Give by how much units multiplied since a mark, until a position is valued.

    A mark from before an action is told in the units of its day; where its source adjusts its own
    past, in those of after it, so that a position of before is valued with the inverse.
    """
    new = old = 1
    for action in actions:
        scale = scale_of(action)
        mark_is_after = action.ex_date <= marked_on or _adjusts(action)
        if action.ex_date <= valued_on and not mark_is_after:
            new, old = new * scale.new, old * scale.old
        elif mark_is_after and action.ex_date > valued_on:
            new, old = new * scale.old, old * scale.new
    return Scale(new, old)


def _adjusts(action: Action) -> bool:
    return isinstance(action, Split | StockDividend) and action.prices_adjusted


def scaled_price(price: Decimal, scale: Scale) -> Decimal:
    """Read a mark from before, divided by the ratio: for showing, rounded to 18 decimals."""
    return ratio(price * scale.old, Decimal(scale.new))


def value_at_mark(quantity: Decimal, price: Decimal, scale: Scale) -> Decimal:
    """Value units of now at a mark from before, divided last: 70 at 645 after 7:1 are 6,450."""
    return share(quantity * price, Decimal(scale.old), Decimal(scale.new))
