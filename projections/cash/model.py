"""The read model `cash`: one movement per leg, and balances with their totals by kind.

Amounts are signed as the portfolio sees them: deposits positive, withdrawals and fees negative, the
principal of a buy negative. The legs of a currency add up to its balance; a trade that is taken out
again has its legs once more with the opposite sign. What a corporate action pays in place of a
fraction moves on its ex-date, a dividend and the tax withheld from it on the pay date.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from domain.event import Event
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.events import (
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    TradeCashMoved,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.arrays import looked_up
from projections.cash.ladder import LADDER_DDL, LADDER_EVENTS, LadderFold
from projections.cash.legs import MovementKind, MovementRow, legs
from projections.cash.receivables import RECEIVABLES_DDL, Receivables
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, Tables

BALANCES_MAX = 500_000
"""Most balances kept in memory; beyond that all are dropped and loaded again when needed."""

_DDL = """
CREATE TABLE {schema}.movements (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    leg smallint NOT NULL,
    kind text NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount numeric NOT NULL,
    balance_after numeric NOT NULL,
    value_date date NOT NULL,
    at timestamptz,
    trade_id uuid,
    instrument text COLLATE "C",
    action text COLLATE "C",
    reversal text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, portfolio, position, leg)
);
CREATE TABLE {schema}.balances (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    balance numeric NOT NULL,
    deposits numeric NOT NULL,
    withdrawals numeric NOT NULL,
    principal numeric NOT NULL,
    fees numeric NOT NULL,
    charges numeric NOT NULL,
    interest numeric NOT NULL,
    exchanged numeric NOT NULL,
    cash_in_lieu numeric NOT NULL,
    dividends numeric NOT NULL,
    withholding_tax numeric NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, currency)
);
CREATE INDEX ON {schema}.balances (changed_position);
"""
_BALANCE_KEY = ("tenant", "portfolio", "currency")
_BALANCES = looked_up("balances", **dict.fromkeys(_BALANCE_KEY, "text"))
_SUMS = {
    MovementKind.PRINCIPAL: "principal",
    MovementKind.FEE: "fees",
    MovementKind.DEPOSIT: "deposits",
    MovementKind.WITHDRAWAL: "withdrawals",
    MovementKind.INTEREST: "interest",
    MovementKind.EXCHANGE: "exchanged",
    MovementKind.CASH_IN_LIEU: "cash_in_lieu",
    MovementKind.DIVIDEND: "dividends",
    MovementKind.WITHHOLDING_TAX: "withholding_tax",
}
"""The columns by kind; every other kind is a charge."""
_MOVING_NOTHING: frozenset[type[Event]] = frozenset({CashSettled, TradeCashMoved})


class BalanceRow(msgspec.Struct, gc=False):
    """What is held in one currency, and the sums of its legs by kind; `charges` of lone fees."""

    tenant: str
    portfolio: str
    currency: str
    balance: Decimal = ZERO
    deposits: Decimal = ZERO
    withdrawals: Decimal = ZERO
    principal: Decimal = ZERO
    fees: Decimal = ZERO
    charges: Decimal = ZERO
    interest: Decimal = ZERO
    exchanged: Decimal = ZERO
    cash_in_lieu: Decimal = ZERO
    dividends: Decimal = ZERO
    withholding_tax: Decimal = ZERO
    changed_position: int = 0

    @property
    def sum_of_kinds(self) -> Decimal:
        """What the legs of all kinds add up to."""
        flows = self.deposits + self.withdrawals + self.principal + self.fees
        acted = self.cash_in_lieu + self.dividends + self.withholding_tax
        return flows + self.charges + self.interest + self.exchanged + acted

    def add(self, legs: Sequence[MovementRow]) -> None:
        """Take legs in, in their order, as the last ones."""
        self.balance = legs[-1].balance_after
        self.changed_position = legs[-1].position
        sums: dict[MovementKind, Decimal] = {}
        for leg in legs:
            kind = leg.kind
            sums[kind] = sums.get(kind, ZERO) + leg.amount
        for kind, amount in sums.items():
            column = _SUMS.get(kind, "charges")
            setattr(self, column, getattr(self, column) + amount)


class Cash:
    """What moved each portfolio's cash, leg by leg, and what is left."""

    name = "cash"
    calculation_version = 8
    event_types: frozenset[type[Event]] = LADDER_EVENTS | {
        CashDeposited,
        CashWithdrawn,
        FeeCharged,
        InterestBooked,
        CashExchanged,
        CorporateActionApplied,
        CorporateActionUnapplied,
        LotsSpunOff,
        DividendPaid,
    }
    compared_tables = ("movements", "balances", "ladder", "receivables")

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return (_DDL + LADDER_DDL + RECEIVABLES_DDL).format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return CashFold(schema)


class CashFold:
    """Writes the legs of each event as they come, and each balance once per batch or at the end."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._ladder = LadderFold(self._tables)
        self._receivables = Receivables(self._tables)
        self._balances: dict[tuple[str, str, str], BalanceRow] = {}
        self._holds_all: bool | None = None
        self._touched: set[tuple[str, str, str]] = set()
        self._is_deferring = False

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave balances and the ladder unwritten until `settle`."""
        self._tables.leave_keys(cursor, "movements")
        self._is_deferring = self._ladder.is_deferring = True

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what was left."""
        self._is_deferring = self._ladder.is_deferring = False
        self._write_balances(cursor)
        self._ladder.write(cursor)
        self._tables.make_keys(cursor)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        movements: list[MovementRow] = []
        moved: defaultdict[tuple[str, str, str], list[MovementRow]] = defaultdict(list)
        for decoded in batch:
            if type(decoded.event) not in _MOVING_NOTHING:
                movements += legs(decoded)
        for leg in movements:
            moved[leg.tenant, leg.portfolio, leg.currency].append(leg)
        self._load(cursor, set(moved).difference(self._balances))
        self._touched |= moved.keys()
        for key, of_one in moved.items():
            self._balances[key].add(of_one)
        self._tables.insert(cursor, "movements", movements)
        if not self._is_deferring or len(self._balances) > BALANCES_MAX:
            self._write_balances(cursor)
        self._ladder.fold(cursor, batch)
        self._receivables.fold(cursor, batch)

    def _write_balances(self, cursor: Cursor) -> None:
        rows = [self._balances[key] for key in sorted(self._touched)]
        self._tables.upsert(cursor, "balances", rows, key=_BALANCE_KEY)
        self._touched.clear()
        if len(self._balances) > BALANCES_MAX:
            self._balances.clear()
            self._holds_all = False

    def _load(self, cursor: Cursor, missing: set[tuple[str, str, str]]) -> None:
        for key in missing:
            self._balances[key] = BalanceRow(*key)
        if self._holds_all is None:
            self._holds_all = self._tables.is_empty(cursor, "balances")
        if missing and not self._holds_all:
            asked = [list(column) for column in zip(*missing, strict=True)]
            for values in self._tables.select(cursor, _BALANCES, asked):
                row = BalanceRow(*values)
                self._balances[row.tenant, row.portfolio, row.currency] = row
