"""The read model `cash`: one movement per leg, and balances with their totals by kind.

Amounts are signed as the portfolio sees them: deposits positive, withdrawals and fees negative, the
principal of a buy negative. The legs of a currency add up to its balance; a trade that is taken out
again has its legs once more with the opposite sign.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

import msgspec
import psycopg

from domain.event import Event
from domain.money import ZERO
from domain.portfolio.events import (
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.cash.ladder import LADDER_DDL, LADDER_EVENTS, LadderFold
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, Tables

CashMove = CashDeposited | CashWithdrawn | FeeCharged | InterestBooked | CashExchanged
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
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, currency)
) WITH (fillfactor = 70);
"""
_BALANCES = """
SELECT found.* FROM unnest(%s::text[], %s::text[], %s::text[])
AS asked (tenant, portfolio, currency)
JOIN {schema}.balances AS found USING (tenant, portfolio, currency)
"""
_BALANCE_KEY = ("tenant", "portfolio", "currency")


class MovementKind(StrEnum):
    """Why cash moved; `fee` is that of a trade or an exchange, the other fees stand alone."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    PRINCIPAL = "principal"
    FEE = "fee"
    MANAGEMENT_FEE = "management_fee"
    CUSTODY_FEE = "custody_fee"
    PERFORMANCE_FEE = "performance_fee"
    OTHER_FEE = "other_fee"
    INTEREST = "interest"
    EXCHANGE = "exchange"


class MovementRow(msgspec.Struct, frozen=True, gc=False):
    """One leg of one event; `balance_after` is the balance behind the whole event.

    `reversal` says why a trade's leg is taken back here, `busted` or `amended`.
    """

    tenant: str
    portfolio: str
    position: int
    leg: int
    kind: MovementKind
    currency: str
    amount: Decimal
    balance_after: Decimal
    value_date: date
    at: datetime | None
    trade_id: UUID | None
    instrument: str | None
    reversal: str | None
    recorded_at: datetime


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
    changed_position: int = 0

    @property
    def sum_of_kinds(self) -> Decimal:
        """What the legs of all kinds add up to."""
        flows = self.deposits + self.withdrawals + self.principal + self.fees
        return flows + self.charges + self.interest + self.exchanged

    def add(self, leg: MovementRow) -> None:
        """Take a leg in, as the last one."""
        self.balance = leg.balance_after
        self.changed_position = leg.position
        match leg.kind:
            case MovementKind.PRINCIPAL:
                self.principal += leg.amount
            case MovementKind.FEE:
                self.fees += leg.amount
            case MovementKind.DEPOSIT:
                self.deposits += leg.amount
            case MovementKind.WITHDRAWAL:
                self.withdrawals += leg.amount
            case MovementKind.INTEREST:
                self.interest += leg.amount
            case MovementKind.EXCHANGE:
                self.exchanged += leg.amount
            case _:
                self.charges += leg.amount


class Cash:
    """What moved each portfolio's cash, leg by leg, and what is left."""

    name = "cash"
    calculation_version = 5
    event_types: frozenset[type[Event]] = LADDER_EVENTS | {
        CashDeposited,
        CashWithdrawn,
        FeeCharged,
        InterestBooked,
        CashExchanged,
    }
    compared_tables = ("movements", "balances", "ladder")

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return (_DDL + LADDER_DDL).format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return CashFold(schema)


class CashFold:
    """Writes the legs of each event as they come, and each balance once per batch."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._ladder = LadderFold(self._tables)
        self._balances: dict[tuple[str, str, str], BalanceRow] = {}
        self._holds_all: bool | None = None

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        movements: list[MovementRow] = []
        for decoded in batch:
            if not isinstance(decoded.event, CashSettled):
                movements += legs(decoded)
        touched = {(leg.tenant, leg.portfolio, leg.currency) for leg in movements}
        self._load(cursor, touched - self._balances.keys())
        for leg in movements:
            self._balances[leg.tenant, leg.portfolio, leg.currency].add(leg)
        self._tables.insert(cursor, "movements", movements)
        rows = [self._balances[key] for key in touched]
        self._tables.upsert(cursor, "balances", rows, key=_BALANCE_KEY)
        self._ladder.fold(cursor, batch)
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


def legs(decoded: Decoded) -> list[MovementRow]:
    """Take an event apart into the legs that moved cash."""
    position, tenant, recorded_at, event = decoded
    if isinstance(event, TradeBooked | TradeUnbooked):
        return _trade_legs(position, tenant, recorded_at, event)
    assert isinstance(event, CashMove), "cash folds nothing else"
    return [
        MovementRow(
            tenant,
            event.portfolio,
            position,
            leg,
            kind,
            currency,
            amount,
            balance,
            event.value_date,
            event.at,
            None,
            None,
            None,
            recorded_at,
        )
        for leg, (kind, currency, amount, balance) in enumerate(_moved(event))
    ]


def _moved(event: CashMove) -> list[tuple[MovementKind, str, Decimal, Decimal]]:
    """Give kind, currency, signed amount and balance of what moved cash apart from trades."""
    match event:
        case CashExchanged():
            return _exchanged(event)
        case CashDeposited():
            kind, sign = MovementKind.DEPOSIT, 1
        case CashWithdrawn():
            kind, sign = MovementKind.WITHDRAWAL, -1
        case InterestBooked():
            kind, sign = MovementKind.INTEREST, 1
        case FeeCharged():
            kind, sign = MovementKind(f"{event.kind}_fee"), -1
        case _:
            assert_never(event)
    return [(kind, event.amount.currency, sign * event.amount.amount, event.balance)]


def _exchanged(event: CashExchanged) -> list[tuple[MovementKind, str, Decimal, Decimal]]:
    sold, bought, fee = event.sold, event.bought, event.fee
    moved = [
        (MovementKind.EXCHANGE, sold.currency, -sold.amount, event.balance_sold),
        (MovementKind.EXCHANGE, bought.currency, bought.amount, event.balance_bought),
    ]
    if fee is not None:
        is_sold = fee.currency == sold.currency
        balance = event.balance_sold if is_sold else event.balance_bought
        moved.append((MovementKind.FEE, fee.currency, -fee.amount, balance))
    return moved


def _trade_legs(
    position: int, tenant: str, recorded_at: datetime, booked: TradeBooked | TradeUnbooked
) -> list[MovementRow]:
    fill = booked.fill
    reversal = booked.reason if isinstance(booked, TradeUnbooked) else None
    fee = -fill.fee if reversal is None else fill.fee
    amounts = [(MovementKind.PRINCIPAL, booked.cash_change - fee)]
    if fee:
        amounts.append((MovementKind.FEE, fee))
    return [
        MovementRow(
            tenant,
            booked.portfolio,
            position,
            leg,
            kind,
            booked.currency,
            amount,
            booked.cash_after,
            fill.trade_date,
            fill.executed_at,
            fill.trade_id,
            booked.instrument,
            reversal,
            recorded_at,
        )
        for leg, (kind, amount) in enumerate(amounts)
    ]
