"""What changed in `cash` behind a log position, or all there is: balances."""

from collections.abc import Sequence
from typing import Any

from projections.cash.model import BalanceRow
from projections.changed import CHANGES_MAX, Owner, Question, changed_of, question_of_owners

_BALANCES = """
balances.* FROM {balances} JOIN {owned} USING (tenant, portfolio)
"""
_ALL = _BALANCES.replace("{balances}", "{schema}.balances")
_CHANGED = _BALANCES.replace("{balances}", changed_of("balances")) + "LIMIT %(limit)s"


def balances_changed(owners: Sequence[Owner], *, after: int | None) -> Question:
    """Ask for balances that changed behind a position, or for all; none ever goes away."""
    if after is None:
        return question_of_owners("cash", _ALL, owners, _row)
    return question_of_owners("cash", _CHANGED, owners, _row, limit=CHANGES_MAX, after=after)


def _row(values: tuple[Any, ...]) -> BalanceRow:
    return BalanceRow(*values)
