"""What is asked of the ladder: each currency's balance, settled and pending by value date."""

from datetime import date
from decimal import Decimal
from itertools import groupby

import msgspec

from domain.money import ZERO, canonical
from projections.asking import Readable, ask
from projections.paging import Page

_LADDERS = """
balances.currency, balances.balance, value_date, pending_in, pending_out FROM {schema}.balances
LEFT JOIN {schema}.ladder ON (ladder.tenant, ladder.portfolio, ladder.currency)
    = (balances.tenant, balances.portfolio, balances.currency)
    AND (pending_in <> 0 OR pending_out <> 0)
WHERE balances.tenant = %s AND balances.portfolio = %s ORDER BY currency, value_date
"""


class Rung(msgspec.Struct, frozen=True):
    """A value date to come: its receipts, its payments (negative), and the balance after them."""

    value_date: date
    pending_in: Decimal
    pending_out: Decimal
    projected: Decimal


class Ladder(msgspec.Struct, frozen=True):
    """A currency's trade-date balance, what of it is settled, and what is pending, by date."""

    currency: str
    balance: Decimal
    settled: Decimal
    pending_in: Decimal
    pending_out: Decimal
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


def _ladder(
    currency: str, balance: Decimal, pending: list[tuple[date, Decimal, Decimal]]
) -> Ladder:
    pending_in = canonical(sum((received for _, received, _ in pending), ZERO))
    pending_out = canonical(sum((paid for _, _, paid in pending), ZERO))
    projected = settled = canonical(balance - pending_in - pending_out)
    rungs: list[Rung] = []
    for value_date, received, paid in pending:
        projected = canonical(projected + received + paid)
        rungs.append(Rung(value_date, received, paid, projected))
    return Ladder(currency, balance, settled, pending_in, pending_out, tuple(rungs))
