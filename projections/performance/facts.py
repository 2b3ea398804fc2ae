"""Facts as valuation sees them, and what they add up to: quantities and cash.

Quantities are signed, cash is trade-date cash by currency, what is due of dividends in it.
"""

from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from domain.bridge import Part
from domain.money import ZERO


class Flow(NamedTuple):
    """Cash that moved apart from trades, signed, in positive; `at` is absent without a time of day.

    `part` is that of the bridge it belongs to; only external flows are no result.
    """

    at: datetime | None
    currency: str
    amount: Decimal
    part: str = Part.EXTERNAL_FLOWS

    @property
    def is_external(self) -> bool:
        """Whether it came from outside or went there."""
        return self.part == Part.EXTERNAL_FLOWS


class Execution(NamedTuple):
    """A fill as valuation sees it: signed quantity, effect on cash, its place in book order."""

    on_date: date
    at: datetime | None
    instrument: str
    quantity: Decimal
    price: Decimal
    currency: str
    cash: Decimal
    book_order: str


ActionOrder: TypeAlias = tuple[date, bool, str, str]
"""Actions of one date are applied by name."""


class Change(NamedTuple):
    """What an event of a corporate action changed at the start of a date, for one holder.

    `action` is one of `action_of`, whose lots or whose child's lots `instrument` names. What is
    `due` of a dividend counts as cash of its currency from then on.
    """

    on_date: date
    instrument: str
    action_of: str
    action: str
    quantity: Decimal
    currency: str
    cash: Decimal
    due_currency: str | None = None
    due: Decimal = ZERO
    is_transfer: bool = False

    @property
    def order(self) -> "ActionOrder":
        """Its place among others: transfers of a date come behind its actions."""
        return self.on_date, self.is_transfer, self.action_of, self.action


def add(sums: dict[str, Decimal], name: str, amount: Decimal) -> None:
    """Add to a sum; a sum of zero is not kept."""
    total = sums.get(name, ZERO) + amount
    if total:
        sums[name] = total
    else:
        sums.pop(name, None)


class Holdings:
    """Quantities by instrument and cash by currency; nothing that is zero."""

    __slots__ = ("cash", "quantities")

    def __init__(self) -> None:
        self.quantities: dict[str, Decimal] = {}
        self.cash: dict[str, Decimal] = {}

    def copy(self) -> "Holdings":
        """Copy, to be changed apart."""
        twin = Holdings()
        twin.quantities = self.quantities.copy()
        twin.cash = self.cash.copy()
        return twin

    @property
    def is_empty(self) -> bool:
        """Whether there is no position and no cash."""
        return not self.quantities and not self.cash

    def take(self, execution: Execution) -> None:
        """Add one fill."""
        add(self.quantities, execution.instrument, execution.quantity)
        add(self.cash, execution.currency, execution.cash)

    def merge(self, facts: "Facts", sign: int = 1) -> None:
        """Add what facts changed, or with `sign` -1 take it away."""
        for name, quantity in facts.change.quantities.items():
            add(self.quantities, name, quantity * sign)
        for currency, amount in facts.change.cash.items():
            add(self.cash, currency, amount * sign)

    def act(self, change: Change, sign: int = 1) -> None:
        """Add what a corporate action changed, or with `sign` -1 take it away."""
        add(self.quantities, change.instrument, change.quantity * sign)
        add(self.cash, change.currency, change.cash * sign)
        if change.due_currency is not None:
            add(self.cash, change.due_currency, change.due * sign)


class Facts:
    """The facts of one session or date: what they change together, and the flows apart.

    `executions` is filled only where single fills matter; `instruments` names those traded, with
    their currency, and `fills` counts the fills of each. `actions` change it at its start.
    """

    __slots__ = ("actions", "change", "executions", "fills", "flows", "instruments")

    def __init__(self) -> None:
        self.change = Holdings()
        self.flows: list[Flow] = []
        self.executions: list[Execution] = []
        self.instruments: dict[str, str] = {}
        self.fills: Counter[str] = Counter()
        self.actions: list[Change] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is no fact; facts that cancel each other out are still facts."""
        return not self.begins and not self.actions

    @property
    def begins(self) -> bool:
        """Whether a portfolio can begin with them: an action alone meets nothing."""
        return bool(self.instruments or self.flows)

    @property
    def touched(self) -> dict[str, str]:
        """The currency of each instrument traded, or changed by an action."""
        return self.instruments | {each.instrument: each.currency for each in self.actions}

    @property
    def currencies(self) -> set[str]:
        """The currencies in which something moved."""
        due = {each.due_currency for each in self.actions if each.due_currency is not None}
        return {*self.touched.values(), *(flow.currency for flow in self.flows), *due}

    def add_change(self, instrument: str, quantity: Decimal, currency: str, cash: Decimal) -> None:
        """Add what a fill changed."""
        change = self.change
        add(change.quantities, instrument, quantity)
        add(change.cash, currency, cash)
        self.instruments[instrument] = currency
        self.fills[instrument] = self.fills.get(instrument, 0) + 1

    def take_back(self, instrument: str, quantity: Decimal, currency: str, cash: Decimal) -> None:
        """Take a fill out again, given by what that changes: nothing of it stays."""
        add(self.change.quantities, instrument, quantity)
        add(self.change.cash, currency, cash)
        self.fills[instrument] -= 1
        if not self.fills[instrument]:
            del self.fills[instrument], self.instruments[instrument]

    def add_execution(self, execution: Execution) -> None:
        """Add a fill that is kept as such."""
        self.executions.append(execution)
        self.add_change(
            execution.instrument, execution.quantity, execution.currency, execution.cash
        )

    def add_flow(self, flow: Flow) -> None:
        """Add cash that moved."""
        add(self.change.cash, flow.currency, flow.amount)
        self.flows.append(flow)

    def add_action(self, change: Change) -> None:
        """Add what an action changed."""
        self.change.act(change)
        self.actions.append(change)

    def drop_action(self, instrument: str, action: str) -> None:
        """Leave out what an action of an instrument changed."""
        name = (instrument, action)
        for each in self.actions:
            if (each.action_of, each.action) == name:
                self.change.act(each, sign=-1)
        self.actions = [each for each in self.actions if (each.action_of, each.action) != name]

    def acted_before(self, instrument: str, order: ActionOrder) -> Decimal:
        """Give by how much the actions before one changed an instrument."""
        return sum(
            (
                each.quantity
                for each in self.actions
                if each.instrument == instrument and each.order < order
            ),
            ZERO,
        )

    def merge(self, other: "Facts") -> None:
        """Add the facts of another date of the same session."""
        for name, quantity in other.change.quantities.items():
            add(self.change.quantities, name, quantity)
        for currency, amount in other.change.cash.items():
            add(self.change.cash, currency, amount)
        self.flows += other.flows
        self.instruments |= other.instruments
        self.fills.update(other.fills)
        self.actions += other.actions
