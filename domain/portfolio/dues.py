"""Dividends that are due and not yet paid: receivables, and payables of short positions."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from domain.corporate_actions import SOURCE
from domain.held import Due
from domain.identity import derive
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
)


class Dues:
    """What is outstanding of each dividend, by the name of its entry; nothing once it is paid."""

    __slots__ = ("outstanding",)

    def __init__(self, outstanding: dict[UUID, tuple[str, str, Due]] | None = None) -> None:
        self.outstanding = {} if outstanding is None else outstanding

    def __eq__(self, other: object) -> bool:
        """Say whether the same is outstanding."""
        return isinstance(other, Dues) and self.outstanding == other.outstanding

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> "Dues":
        """Copy them."""
        twin = Dues()
        if self.outstanding:
            twin.outstanding = self.outstanding.copy()
        return twin

    def take(self, event: CorporateActionApplied | CorporateActionUnapplied) -> None:
        """Fold what became due, or is not due any more."""
        declared = event.terms.cash_dividend
        if declared is None or not (event.gross_change or event.withheld_change):
            return
        nothing = Due(ZERO, ZERO, declared.currency, declared.pay_date)
        _, _, known = self.outstanding.get(declared.entry_id, ("", "", nothing))
        self._put(
            declared.entry_id,
            event.instrument,
            declared.action,
            replace(
                known,
                gross=known.gross + event.gross_change,
                withheld=known.withheld + event.withheld_change,
            ),
        )

    def pay(self, event: DividendPaid) -> None:
        """Fold a payment."""
        entry_id = derive(SOURCE, event.instrument, event.action)
        _, _, known = self.outstanding[entry_id]
        rest = replace(
            known, gross=known.gross - event.gross, withheld=known.withheld - event.withheld
        )
        self._put(entry_id, event.instrument, event.action, rest)

    def until(self, day: date) -> list[tuple[str, str, Due]]:
        """List instrument, action and what is to be paid up to a date, by pay date and name."""
        found = [each for each in self.outstanding.values() if each[2].pay_date <= day]
        return sorted(found, key=lambda each: (each[2].pay_date, each[0], each[1]))

    def __iter__(self) -> Iterator[tuple[str, str, Due]]:
        """List instrument, action and what is outstanding."""
        return iter(self.outstanding.values())

    def _put(self, entry_id: UUID, instrument: str, action: str, due: Due) -> None:
        if due.gross or due.withheld:
            self.outstanding[entry_id] = (instrument, action, due)
        else:
            self.outstanding.pop(entry_id, None)
