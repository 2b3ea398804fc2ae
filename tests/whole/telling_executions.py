"""What a desk is told of the real executions, in whatever order: a tenant for each cost basis.

First in, first out is told all of them; the others a part, which meets all the same cases.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from random import Random

from commands.command import (
    AmendTrade,
    BustTrade,
    CaptureTrade,
    CloseSession,
    Command,
    DepositCash,
    Issued,
    OpenPortfolio,
    SettleCash,
)
from domain.correcting import Amend
from domain.identity import MARKET_TENANT, trade_id
from domain.lots import CostBasis
from domain.market import Close
from domain.money import Money
from domain.trade import Capture
from tests.commands.scenes import issue, register
from tests.domain.blotter import Bust
from tests.domain.executions import (
    DAYS_LATE,
    EXECUTIONS,
    SESSION_SECONDS,
    Arrival,
    Row,
    opening_of,
)
from tests.domain.scenes import DESK, FUND

OPENING_CASH = Money(Decimal(100_000), "USD")
ALL_SETTLED = date(2010, 1, 8)
LOTS_NAMED_AMONG = 60
Prices = dict[date, dict[str, Decimal]]


def tenant_of(basis: CostBasis) -> str:
    """Name the tenant whose portfolio is kept by a cost basis."""
    return f"desk-{basis.value}"


TOLD_OF_OTHERS = 2_500
TOLD = {basis: EXECUTIONS if basis is CostBasis.FIFO else TOLD_OF_OTHERS for basis in CostBasis}
"""How many of the executions, from the first on, a cost basis is told of."""

TENANTS = {basis: tenant_of(basis) for basis in CostBasis}


def closes_of(rows: list[Row], shared_data: Path) -> Prices:
    """Each session's closes: the real ones of AMD, of the others the last price executed."""
    prices: Prices = defaultdict(dict)
    for row in rows:
        prices[date.fromisoformat(row[""][:10])][row["symbol"]] = round(Decimal(row["price"]), 6)
    with gzip.open(shared_data / "skfolio_sp500_dataset.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if (day := date.fromisoformat(row["Date"])) in prices:
                prices[day]["AMD"] = Decimal(row["AMD"])
    return dict(prices)


def lots_named(arrived: list[Arrival], random: Random) -> dict[str, list[str]]:
    """What each trade would close by name: up to three that came before it, often not open."""
    seen: defaultdict[str, list[str]] = defaultdict(list)
    named: dict[str, list[str]] = {}
    for _, message in arrived:
        if isinstance(message, Capture) and message.external_id not in named:
            among = seen[message.instrument][-LOTS_NAMED_AMONG:]
            named[message.external_id] = random.sample(among, min(len(among), random.randint(0, 3)))
            seen[message.instrument].append(message.external_id)
    return named


class Telling:
    """Everything that one of the two logs is told, in its order."""

    def __init__(self, prices: Prices, named: dict[str, list[str]]) -> None:
        self._prices = prices
        self._named = named

    def commands(self, arrived: Iterable[Arrival]) -> Iterator[Issued]:
        """Open the portfolios, then window by window: what came, then the ends of its sessions."""
        yield from self._beginning()
        sessions = sorted(self._prices)
        for window, coming in groupby(arrived, key=lambda each: int(each.at // DAYS_LATE)):
            for _, message in coming:
                for basis, tenant in TENANTS.items():
                    if _is_among(_name_of(message), TOLD[basis]):
                        yield issue(self._told(message, basis, tenant), tenant=tenant)
            until = date.fromordinal((window + 1) * DAYS_LATE)
            over = [session for session in sessions if session < until]
            yield from self._ends(over)
            sessions = sessions[len(over) :]
        assert not sessions, "something came in the last session's window, or behind it"
        yield from self._ends([ALL_SETTLED])

    def _beginning(self) -> Iterator[Issued]:
        first = min(self._prices)
        for symbol in sorted({symbol for day in self._prices.values() for symbol in day}):
            yield issue(register(symbol), tenant=MARKET_TENANT)
        for basis, tenant in TENANTS.items():
            opened = OpenPortfolio(
                portfolio=FUND,
                base_currency="USD",
                cost_basis=basis,
                allows_leverage=True,
                allows_short=True,
            )
            yield issue(opened, tenant=tenant)
            deposit = DepositCash(portfolio=FUND, amount=OPENING_CASH, value_date=first)
            yield issue(deposit, tenant=tenant)

    def _ends(self, sessions: list[date]) -> Iterator[Issued]:
        """Close sessions; settle what is due, as the reaction does."""
        for session in sessions:
            starts_at = opening_of(session)
            closing = CloseSession(
                calendar="XNYS",
                session=session,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(seconds=SESSION_SECONDS),
                closes=tuple(
                    Close(instrument=symbol, price=price)
                    for symbol, price in sorted(self._prices.get(session, {}).items())
                ),
            )
            yield issue(closing, tenant=MARKET_TENANT)
        if sessions:
            for tenant in TENANTS.values():
                yield issue(SettleCash(portfolio=FUND, until=sessions[-1]), tenant=tenant)

    def _told(self, message: Capture | Amend | Bust, basis: CostBasis, tenant: str) -> Command:
        match message:
            case Capture():
                return CaptureTrade(self._naming_lots(message, basis, tenant))
            case Amend():
                content = self._naming_lots(message.capture, basis, tenant)
                return AmendTrade(revision=message.revision, capture=content)
            case Bust():
                return BustTrade(
                    source=DESK,
                    external_id=message.external_id,
                    portfolio=FUND,
                    reason=message.reason,
                )

    def _naming_lots(self, capture: Capture, basis: CostBasis, tenant: str) -> Capture:
        if basis is not CostBasis.SPECIFIC:
            return capture
        kept = {name: getattr(capture, name) for name in capture.__struct_fields__}
        named = self._named[capture.external_id]
        told = [each for each in named if _is_among(each, TOLD[basis])]
        names = [trade_id(tenant, DESK, each, None) for each in told]
        return Capture(**(kept | {"closes": tuple(names)}))


def _name_of(message: Capture | Amend | Bust) -> str:
    return message.capture.external_id if isinstance(message, Amend) else message.external_id


def _is_among(external_id: str, executions: int) -> bool:
    """Say whether a fill is of the first so many executions."""
    return int(external_id.partition("-")[0]) < executions
