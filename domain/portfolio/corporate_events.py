"""What corporate actions do to a holder: applied, taken back, lots spun off, dividends paid.

An action stands in the books of a holder at its ex-date. Whatever changes there later (a trade told
late, a bust) is told by the same events again, as changes: what they add up to is the result.
"""

from datetime import date
from decimal import Decimal
from uuid import UUID

from domain.book_order import BookKey
from domain.corporate_actions import Terms
from domain.event import Event
from domain.held import BookTotals, Due
from domain.lots import Fill, Lot
from domain.money import ZERO


class CorporateActionApplied(Event, frozen=True):
    """An action met what a portfolio held at the end of the day before its ex-date.

    `held` is that quantity; `quantity_change`, `cash_change` (paid in place of a fraction, signed,
    in `currency`), the realised parts and those of the dividend are what is new of them: all of it
    the first time, the difference where it `is_restated`. `due` is the whole dividend. `totals` are
    those of the book after everything; where lots change, `LotsRestated` follow, and for a spin-off
    `LotsSpunOff`. `rate_to_base` is that of `currency`, `due_rate_to_base` that of the dividend's.
    """

    portfolio: str
    instrument: str
    currency: str
    terms: Terms
    held: Decimal
    totals: BookTotals
    quantity_change: Decimal = ZERO
    cash_change: Decimal = ZERO
    cash_after: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    due: Due | None = None
    gross_change: Decimal = ZERO
    withheld_change: Decimal = ZERO
    is_late: bool = False
    is_restated: bool = False
    rate_to_base: Decimal | None = None
    due_rate_to_base: Decimal | None = None


class CorporateActionUnapplied(Event, frozen=True):
    """An action was reversed: this holder has what it would have without; all parts are changes.

    `last_fill` is the fill that is last in the book now, as in `TradeUnbooked`.
    """

    portfolio: str
    instrument: str
    currency: str
    terms: Terms
    totals: BookTotals
    reason: str
    quantity_change: Decimal = ZERO
    cash_change: Decimal = ZERO
    cash_after: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    gross_change: Decimal = ZERO
    withheld_change: Decimal = ZERO
    rate_to_base: Decimal | None = None
    due_rate_to_base: Decimal | None = None
    last_fill: Fill | None = None


class LotsSpunOff(Event, frozen=True):
    """Lots of a child came from those of its parent: page `page` of `pages`, from 1.

    `lots` are all that came, after their fraction was paid for; of each page some. Changes are as
    in `CorporateActionApplied`, told on the first page, as are the realised parts: those of the
    fraction, and of what the lots closed of an opposite position. `paid_gross` and `paid_net` are
    the whole parts of the fraction. The `LotsRestated` that follow hold the book's lots.
    Where the action is reversed there are no lots.
    """

    portfolio: str
    instrument: str
    currency: str
    terms: Terms
    page: int
    pages: int
    totals: BookTotals
    lots: tuple[Lot, ...] = ()
    quantity_change: Decimal = ZERO
    cash_change: Decimal = ZERO
    cash_after: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    paid_gross: Decimal = ZERO
    paid_net: Decimal = ZERO
    is_late: bool = False
    is_restated: bool = False
    rate_to_base: Decimal | None = None

    @property
    def entry_id(self) -> UUID:
        """What names it in the child's book."""
        return self.terms.action.entry_id

    @property
    def key(self) -> BookKey:
        """Its place in the child's book."""
        return self.terms.action.key


class DividendPaid(Event, frozen=True):
    """What was due of a dividend on its pay date, or became due after it, moved in cash.

    `gross` and `withheld` are signed as they were due; `cash_after` is what is held then.
    """

    portfolio: str
    instrument: str
    action: str
    gross: Decimal
    withheld: Decimal
    currency: str
    pay_date: date
    cash_after: Decimal


CorporateEvent = CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff | DividendPaid
