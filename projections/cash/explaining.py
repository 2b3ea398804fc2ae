"""What cash is made of: every fact that moved it, with what each changed of every figure.

Read from the log up to the position of `cash` that is answered from, and folded as the ladder is:
in the order in which facts became known.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain.money import ZERO, canonical
from domain.portfolio.events import CashSettled, TradeCashMoved
from projections.asking import PAGE_ROWS_MAX, Answered, Readable, snapshot
from projections.audit import market_position_at, told_until
from projections.cash.ladder import Change, RungRow, rung_changes
from projections.cash.ladders import shown_rung
from projections.cash.legs import legs
from projections.cash.model import Cash
from projections.cash.queries import balances_of
from projections.paging import Page, page_of_lines, read_place
from projections.read_model import Decoded

SETTLEMENT = "settlement"
CUSTODIAN = "custodian"


class CashFigures(NamedTuple):
    """Cash of one currency; `balance` is the sum of the four others. Payments are negative."""

    balance: Decimal = ZERO
    settled: Decimal = ZERO
    pending_in: Decimal = ZERO
    pending_out: Decimal = ZERO
    failing: Decimal = ZERO

    def and_also(self, change: "CashFigures") -> "CashFigures":
        """Give the sum, figure by figure."""
        pairs = zip(self, change, strict=True)
        return CashFigures(*(canonical(one + two) for one, two in pairs))


class CashLeg(msgspec.Struct, frozen=True):
    """A part of what a fact moved, and why (`MovementKind`)."""

    kind: str
    amount: Decimal


class CashLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one fact changed, and the sums of the lines up to this one.

    `kind` is that of its first leg, `settlement` of a value date, or `custodian` for a word of one.
    It counts from `on_date`; `value_date` is there where it pends, or pended, for one.
    """

    event: int
    kind: str
    on_date: date
    value_date: date | None
    trade_id: UUID | None
    instrument: str | None
    legs: tuple[CashLeg, ...]
    change: CashFigures
    after: CashFigures


def explained_cash(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    currency: str,
    value_date: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> tuple[CashFigures, Page[CashLine]]:
    """Open the cash of a currency, or of one value date of it: a page of lines, and their sums.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"cash lines {tenant} {portfolio} {currency} {value_date}"
    place, start = read_place(question, cursor)
    with snapshot(readable):
        balances = balances_of(readable, tenant=tenant, portfolio=portfolio)
        answered = Answered(balances.position, balances.market_position, [])
        if place is not None:
            answered = Answered(place, market_position_at(readable, place), [])
        told = told_until(
            readable,
            answered.position,
            tenant=tenant,
            portfolio=portfolio,
            kinds=Cash.event_types,
        )
        lines = cash_lines(told, currency, value_date)
        page, last = page_of_lines(question, answered, lines, start=start, limit=limit)
    return CashFigures() if last is None else last.after, page


def cash_lines(
    told: Iterable[Decoded], currency: str, value_date: date | None = None
) -> Iterator[CashLine]:
    """Fold the facts of a portfolio as they come; give a line of each that moved something."""
    rungs: dict[date, RungRow] = {}
    total = CashFigures()
    for decoded in told:
        line = _line(decoded, currency, rungs, total)
        if line is not None and value_date in {None, line.value_date}:
            yield line
            total = line.after


def _line(
    decoded: Decoded, currency: str, rungs: dict[date, RungRow], total: CashFigures
) -> CashLine | None:
    """Fold a fact; None where it moved nothing in this currency."""
    is_moving = isinstance(decoded.event, CashSettled | TradeCashMoved)
    moved = [] if is_moving else [leg for leg in legs(decoded) if leg.currency == currency]
    changes = [each for each in rung_changes(decoded) if each.key[2] == currency]
    if not moved and not changes:
        return None
    balance = sum((leg.amount for leg in moved), ZERO)
    pending_in = pending_out = failing = ZERO
    for each in changes:
        one, two, three = _shown(rungs, each)
        pending_in, pending_out, failing = pending_in + one, pending_out + two, failing + three
    settled = balance - pending_in - pending_out - failing
    change = CashFigures(*map(canonical, (balance, settled, pending_in, pending_out, failing)))
    rung = changes[0].key[3] if changes else None
    if is_moving:
        kind = SETTLEMENT if isinstance(decoded.event, CashSettled) else CUSTODIAN
        on_date, instrument = rung, None
        trade_id = getattr(decoded.event, "trade_id", None)
    else:
        kind, on_date = moved[0].kind.value, moved[0].value_date
        instrument, trade_id = moved[0].instrument, moved[0].trade_id
    assert on_date is not None, "what moves nothing settles a value date"
    return CashLine(
        event=decoded.position,
        kind=kind,
        on_date=on_date,
        value_date=rung,
        trade_id=trade_id,
        instrument=instrument,
        legs=tuple(CashLeg(leg.kind.value, leg.amount) for leg in moved),
        change=change,
        after=total.and_also(change),
    )


def _shown(rungs: dict[date, RungRow], change: Change) -> tuple[Decimal, Decimal, Decimal]:
    """Fold a change of a value date; give what it changes as the ladder shows that date."""
    rung = rungs.setdefault(change.key[3], RungRow(*change.key))
    before = _of(rung)
    rung.take(change)
    after = _of(rung)
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


def _of(rung: RungRow) -> tuple[Decimal, Decimal, Decimal]:
    shown = shown_rung(
        rung.value_date,
        rung.pending_in,
        rung.pending_out,
        rung.awaited_in,
        rung.awaited_out,
        rung.failing,
    )
    return shown.pending_in, shown.pending_out, shown.failing
