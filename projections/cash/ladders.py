"""What is asked of the ladder: each currency's balance, settled and pending by value date."""

from datetime import date
from decimal import Decimal
from itertools import groupby

import msgspec
from msgspec.structs import replace

from domain.money import ZERO, canonical
from projections.asking import Readable, ask
from projections.paging import Page

_LADDERS = """
balances.currency, balances.balance, value_date, pending_in, pending_out, awaited_in, awaited_out,
failing FROM {schema}.balances
LEFT JOIN {schema}.ladder ON (ladder.tenant, ladder.portfolio, ladder.currency)
    = (balances.tenant, balances.portfolio, balances.currency)
    AND (pending_in <> 0 OR pending_out <> 0 OR awaited_in <> 0 OR awaited_out <> 0 OR failing <> 0)
WHERE balances.tenant = %s AND balances.portfolio = %s ORDER BY currency, value_date
"""


Amounts = tuple[date, Decimal, Decimal, Decimal, Decimal, Decimal]
"""A date, and what pends, is awaited (each in and out) and fails."""


class Rung(msgspec.Struct, frozen=True):
    """A value date: its receipts, its payments (negative), what fails, and the balance after them.

    What fails to be received is not projected; what fails to be paid is.
    """

    value_date: date
    pending_in: Decimal
    pending_out: Decimal
    failing: Decimal
    projected: Decimal


class Ladder(msgspec.Struct, frozen=True):
    """A currency's trade-date balance: what is settled, and what pends or fails, by date.

    The balance is the sum of the four.
    """

    currency: str
    balance: Decimal
    settled: Decimal
    pending_in: Decimal
    pending_out: Decimal
    failing: Decimal
    dates: tuple[Rung, ...]


def ladders_of(readable: Readable, *, tenant: str, portfolio: str) -> Page[Ladder]:
    """List a portfolio's ladders by currency; dates that are settled are not among them."""
    order = "ORDER BY currency, value_date"
    answered = ask(readable, "cash", _LADDERS, (tenant, portfolio), order=order)
    ladders = [
        _ladder(currency, balance, [row[2:] for row in rows if row[2] is not None])
        for (currency, balance), rows in groupby(answered.rows, key=lambda row: row[:2])
    ]
    return Page(ladders, answered.position, answered.market_position)


def _ladder(currency: str, balance: Decimal, amounts: list[Amounts]) -> Ladder:
    dates = [shown_rung(*each) for each in amounts]
    pending_in = canonical(sum((rung.pending_in for rung in dates), ZERO))
    pending_out = canonical(sum((rung.pending_out for rung in dates), ZERO))
    failing = canonical(sum((rung.failing for rung in dates), ZERO))
    projected = settled = canonical(balance - pending_in - pending_out - failing)
    rungs: list[Rung] = []
    for rung in dates:
        change = rung.pending_in + rung.pending_out + min(rung.failing, ZERO)
        projected = canonical(projected + change)
        rungs.append(replace(rung, projected=projected))
    return Ladder(currency, balance, settled, pending_in, pending_out, failing, tuple(rungs))


def shown_rung(
    value_date: date,
    pending_in: Decimal,
    pending_out: Decimal,
    awaited_in: Decimal,
    awaited_out: Decimal,
    failing: Decimal,
) -> Rung:
    """Give a rung not yet projected: a payment that comes back is received, and so on."""
    sides = (pending_in, pending_out), (awaited_in, awaited_out)
    received = sum((max(came, ZERO) + max(paid, ZERO) for came, paid in sides), ZERO)
    paid_out = sum((min(came, ZERO) + min(paid, ZERO) for came, paid in sides), ZERO)
    return Rung(value_date, canonical(received), canonical(paid_out), failing, ZERO)
