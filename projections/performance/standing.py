"""The corporate actions that stand in a portfolio's books, as the tables tell them."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.corporate_actions import Action, CashDividend, SpinOff, Split, StockDividend, Terms
from domain.held import Applied
from domain.money import ZERO
from projections.performance.acts import UNAPPLIED

ACTS = """
acts.instrument, acts.currency, acts.kind, acts.quantity, acts.cash, acts.gross, acts.withheld,
    acts.rate_to_base, acts.due_rate_to_base, acts.position AS told_at, actions.terms,
    actions.reversed_position IS NOT NULL
FROM {schema}.acts JOIN {schema}.actions
    ON actions.instrument = acts.action_of AND actions.action = acts.action
WHERE acts.tenant = %s AND acts.portfolio = %s AND acts.on_date <= %s
ORDER BY acts.position LIMIT %s
"""


class Act(NamedTuple):
    """What one event of an action changed."""

    instrument: str
    currency: str
    kind: str
    quantity: Decimal
    cash: Decimal
    gross: Decimal
    withheld: Decimal
    rate_to_base: Decimal | None
    due_rate_to_base: Decimal | None
    position: int
    action: Action
    is_reversed: bool


class Standing(msgspec.Struct):
    """An action that stands in the books, or should: then it `is_lacked`.

    `results` are the sums of what its events changed: of the position, of cash, of a dividend's
    gross and of what is withheld; then of a child's position and cash. `position` is that of the
    last event.
    """

    action: Action
    book_order: str
    currency: str
    rate_to_base: Decimal | None = None
    due_rate_to_base: Decimal | None = None
    is_lacked: bool = False
    is_reversed: bool = False
    position: int = 0
    results: list[Decimal] = msgspec.field(default_factory=lambda: [ZERO] * 6)

    @property
    def on_date(self) -> date:
        """Its ex-date."""
        return self.action.ex_date

    @property
    def due_currency(self) -> str | None:
        """The currency of a dividend."""
        action = self.action
        return action.currency if isinstance(action, CashDividend) else None

    @property
    def instrument_paid(self) -> str:
        """Of what it pays a fraction."""
        action = self.action
        return action.child if isinstance(action, SpinOff) else action.instrument

    def gives(self, applied: Applied, delivered: Applied | None) -> bool:
        """Say whether its events have told these results."""
        child = ZERO
        if delivered is not None:
            child = delivered.after.quantity - delivered.before.quantity
        cash, child_cash = applied.cash, ZERO
        if isinstance(self.action, SpinOff):
            cash, child_cash = ZERO, applied.cash
        gross = withheld = ZERO
        if applied.due is not None:
            gross, withheld = applied.due.gross, applied.due.withheld
        quantity = applied.after.quantity - applied.before.quantity
        return self.results == [quantity, cash, gross, withheld, child, child_cash]


class Effect(NamedTuple):
    """What an action made of its book, and its lots of the child's."""

    standing: Standing
    applied: Applied
    delivered: Applied | None

    @property
    def needs_rate(self) -> bool:
        """Whether it moved cash of its instrument, or closed lots."""
        crossed = self.delivered is not None and self.delivered.crossed
        return bool(self.applied.cash or self.applied.in_lieu is not None or crossed)


def action_order(action: Action) -> str:
    """Write an action's place in book order: before every trade of its date (see `book_order`)."""
    return f"{action.ex_date.isoformat()}   {action.instrument} {action.action}"


def act_of(row: tuple[Any, ...]) -> Act:
    """Read a row of `ACTS`."""
    *columns, terms, is_reversed = row
    return Act._make([*columns, msgspec.json.decode(terms, type=Terms).action, is_reversed])


def standing_of(acts: Iterable[Act], declared: Iterable[Action], until: date) -> list[Standing]:
    """List what stands, in book order, and the splits up to a date that do not and should."""
    found: dict[str, Standing] = {}
    gone: set[str] = set()
    for act in acts:
        order = action_order(act.action)
        standing = found.setdefault(order, Standing(act.action, order, act.currency))
        standing.is_reversed = act.is_reversed and isinstance(act.action, Split | StockDividend)
        standing.position = act.position
        standing.rate_to_base = act.rate_to_base or standing.rate_to_base
        standing.due_rate_to_base = act.due_rate_to_base or standing.due_rate_to_base
        changed = [act.quantity, act.cash, act.gross, act.withheld]
        if act.instrument == act.action.instrument:
            changed += [ZERO, ZERO]
            (gone.add if act.kind == UNAPPLIED else gone.discard)(order)
        else:
            changed = [*[ZERO] * 4, *changed[:2]]
        standing.results = [
            known + more for known, more in zip(standing.results, changed, strict=True)
        ]
    for order in gone:
        del found[order]
    for action in _splits(declared, until):
        order = action_order(action)
        if order not in found and order not in gone:
            found[order] = Standing(action, order, "", is_lacked=True)
    return [found[order] for order in sorted(found)]


def _splits(declared: Iterable[Action], until: date) -> Iterator[Action]:
    for action in declared:
        if isinstance(action, Split | StockDividend) and action.ex_date <= until:
            yield action
