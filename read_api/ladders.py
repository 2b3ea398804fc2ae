"""Cash by value date: what readers are told of it."""

from datetime import date

from projections.asking import Readable
from projections.cash.ladders import ladders_of
from read_api.shaping import Amount, Shaped, shaped


class Rung(Shaped, frozen=True):
    """A value date: receipts, payments (negative), what fails, and the balance projected after.

    What fails to be received is not projected; what fails to be paid is.
    """

    value_date: date
    pending_in: Amount
    pending_out: Amount
    failing: Amount
    projected: Amount


class Ladder(Shaped, frozen=True):
    """A currency's trade-date balance: what is settled, and what pends or fails, by value date.

    `balance` = `settled` + `pending_in` + `pending_out` + `failing`.
    """

    currency: str
    balance: Amount
    settled: Amount
    pending_in: Amount
    pending_out: Amount
    failing: Amount
    dates: tuple[Rung, ...]


class Ladders(Shaped, frozen=True):
    """Settled and pending cash by currency."""

    position: int
    market_position: int
    next_cursor: str | None
    items: tuple[Ladder, ...]


def ladders_told(readable: Readable, portfolio: str, *, tenant: str) -> Ladders:
    """Tell a portfolio's ladders."""
    page = ladders_of(readable, tenant=tenant, portfolio=portfolio)
    items = [
        shaped(Ladder, row, dates=tuple(shaped(Rung, each) for each in row.dates))
        for row in page.rows
    ]
    return shaped(Ladders, page, items=tuple(items))
