"""The five years, told to a desk session by session as they came: rates, trades, closes.

`core` is of dollars and holds every name that has all sessions; `euro` is of euros, holds sixty of
them and exchanges its cash at ECB's rates. What the fund managers do is drawn by rule from the
file, so that an oracle can do the same in arrays.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from commands.benchmarks import DeclareBenchmark
from commands.command import (
    CaptureTrade,
    CloseSession,
    Command,
    DepositCash,
    Issued,
    MarkMarket,
    OpenPortfolio,
    RegisterInstrument,
    WithdrawCash,
)
from commands.portfolio_commands import AssignBenchmark, ExchangeCash
from domain.benchmark import BenchmarkKind, Constituent
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.market import Close, Rate
from domain.money import Money
from domain.trade import Capture, Intent
from tests.commands.scenes import issue
from tests.real import files

TENANT, CORE, EURO = "quant", "core", "euro"
NEW_YORK = ZoneInfo("America/New_York")
FRANKFURT = ZoneInfo("Europe/Berlin")
CAPS, INDEX = "SP500CAPS", "SP500"
FACTORS = ("MTUM", "QUAL", "SIZE", "USMV", "VLUE")
CURRENCIES = ["USD", "GBP"]
RATES_UNTIL = date(2018, 1, 31)
"""The last day with a rate: they are stale at the end."""
EURO_NAMES = 60
SHORT = "GE"
TURN = 50
"""Every so many sessions ten names are sold in part and ten bought."""
TRADED = 10
FEE = Decimal("1.25")


class Order(NamedTuple):
    """A signed quantity of a name at a price, with the fee, in a session of a portfolio."""

    session: int
    portfolio: str
    name: str
    quantity: int
    price: Decimal
    fee: Decimal = Decimal(0)


class Flow(NamedTuple):
    """Cash that comes or goes; `hour` is of UTC, absent without a time of day."""

    session: int
    portfolio: str
    amount: int
    currency: str
    hour: int | None = None


FLOWS = (
    Flow(0, CORE, 20_000_000, "USD"),
    Flow(0, EURO, 5_000_000, "EUR"),
    Flow(100, CORE, 100_000, "GBP"),
    Flow(300, CORE, 500_000, "USD"),
    Flow(450, EURO, -200_000, "EUR"),
    Flow(700, CORE, -300_000, "USD"),
    Flow(900, CORE, 250_000, "USD", hour=17),
    Flow(901, EURO, 300_000, "EUR"),
)


class Exchange(NamedTuple):
    """Cash of one currency given for cash of another."""

    session: int
    sold: Money
    bought: Money


class Story(NamedTuple):
    """All that is told, from the files; `held` are the names that `core` holds."""

    closes: files.Closes
    caps: dict[str, float]
    sectors: dict[str, str]
    levels: dict[str, dict[date, Decimal]]
    rates: dict[date, dict[str, Decimal]]
    orders: list[Order]
    exchanges: list[Exchange]
    held: list[str]


def story(folder: Path) -> Story:
    """Read the files and draw what is done."""
    closes, caps = files.closes(folder), files.market_caps(folder)
    levels = files.levels(folder, files.INDEX, closes.sessions)
    levels |= files.levels(folder, files.FACTORS, closes.sessions)
    until = {
        day: told
        for day, told in files.rates(folder, CURRENCIES).items()
        if closes.sessions[0] - timedelta(days=7) <= day <= RATES_UNTIL
    }
    orders = [*_core_orders(closes, caps), *_euro_orders(closes)]
    first = max(day for day in until if day <= closes.sessions[0])
    sold = Decimal(4_500_000)
    exchanges = [
        Exchange(0, Money(sold, "EUR"), Money(sold * until[first]["USD"], "USD")),
        Exchange(800, Money(Decimal(150_000), "USD"), Money(Decimal(130_000), "EUR")),
    ]
    sectors, held = files.sectors(folder), closes.of_whole_time()
    return Story(closes, caps, sectors, levels, until, orders, exchanges, held)


def _core_orders(closes: files.Closes, caps: dict[str, float]) -> Iterator[Order]:
    names = closes.of_whole_time()
    told, total = closes.of(*names), sum(caps[name] for name in names)
    held = {
        name: max(1, int(18e6 * caps[name] / total / told[0, column]))
        for column, name in enumerate(names)
    }
    for column, name in enumerate(names):
        yield Order(0, CORE, name, held[name], files.decimal(told[0, column]))
    yield Order(1, CORE, SHORT, -2 * held[SHORT], files.decimal(closes.of(SHORT)[1, 0]))
    for turn, session in enumerate(range(TURN, len(told), TURN), start=1):
        for place in range(TRADED):
            column = (turn * 2 * TRADED + place) % len(names)
            price = files.decimal(told[session, column])
            yield Order(session, CORE, names[column], -(held[names[column]] // 4 or 1), price, FEE)
            column = (turn * 2 * TRADED + TRADED + place) % len(names)
            price = files.decimal(told[session - 1, column])
            yield Order(session, CORE, names[column], held[names[column]] // 3 or 1, price, FEE)


def _euro_orders(closes: files.Closes) -> Iterator[Order]:
    names = closes.of_whole_time()[::7][:EURO_NAMES]
    told = closes.of(*names)
    held = [int(95_000 / price) for price in told[0]]
    for column, name in enumerate(names):
        yield Order(0, EURO, name, held[column], files.decimal(told[0, column]), FEE)
    for turn, session in enumerate(range(TURN, len(told), TURN), start=1):
        column = turn % len(names)
        price = files.decimal(told[session, column])
        yield Order(session, EURO, names[column], -(held[column] // 2), price, FEE)


def ends_at(session: date) -> datetime:
    """Say when a session ends."""
    return datetime.combine(session, time(16), NEW_YORK).astimezone(UTC)


def fixed_at(day: date) -> datetime:
    """Say from when on ECB's rates of a day are in force."""
    return datetime.combine(day, time(16), FRANKFURT).astimezone(UTC)


def commands(told: Story) -> Iterator[Issued]:
    """Everything, in order: instruments, benchmarks and portfolios, then day by day."""
    yield from _beginning(told)
    rates = sorted(told.rates.items())
    before = None
    for index, session in enumerate(told.closes.sessions):
        end = ends_at(session)
        while rates and fixed_at(rates[0][0]) < end:
            yield market(_rates(*rates.pop(0)))
        for each in _of_portfolios(told, index, session):
            yield issue(each, tenant=TENANT)
        levels = {n: level[session] for n, level in told.levels.items() if session in level}
        yield market(closing(told.closes, index, before or end - timedelta(days=1), levels))
        before = end


def market(command: Command) -> Issued:
    """Issue a command of the market's own tenant."""
    return issue(command, tenant=MARKET_TENANT)


def registration(name: str, sector: str | None) -> RegisterInstrument:
    """Register a share of New York."""
    return RegisterInstrument(
        instrument=name, symbol=name, currency="USD", asset_class=AssetClass.EQUITY,
        calendar="XNYS", sector=sector,
    )  # fmt: skip


def _beginning(told: Story) -> Iterator[Issued]:
    for name in (*told.closes.names, *told.levels):
        yield market(registration(name, told.sectors.get(name)))
    first, last = told.closes.sessions[0], told.closes.of(*told.held)[-1]
    shares = {
        name: (Decimal(told.caps[name]) / files.decimal(price)).quantize(Decimal("1e-6"))
        for name, price in zip(told.held, last, strict=True)
    }
    yield market(_benchmark(CAPS, BenchmarkKind.FIXED_SHARES, shares, first))
    for name in told.levels:
        of_one = {name: Decimal(1)}
        yield market(
            _benchmark(f"{name}-LEVEL", BenchmarkKind.INDEX_LEVEL, of_one, min(told.levels[name]))
        )
    for portfolio, currency in ((CORE, "USD"), (EURO, "EUR")):
        opened = OpenPortfolio(
            portfolio=portfolio, base_currency=currency, cost_basis=CostBasis.FIFO,
            calendar="XNYS", allows_leverage=True, allows_short=True,
        )  # fmt: skip
        yield issue(opened, tenant=TENANT)
        yield issue(AssignBenchmark(portfolio, CAPS, first), tenant=TENANT)


def _benchmark(
    name: str, kind: BenchmarkKind, amounts: dict[str, Decimal], first: date
) -> DeclareBenchmark:
    return DeclareBenchmark(
        benchmark=name, from_date=first, currency="USD", calendar="XNYS", kind=kind,
        constituents=tuple(Constituent(each, amount) for each, amount in amounts.items()),
    )  # fmt: skip


def _rates(day: date, told: dict[str, Decimal]) -> MarkMarket:
    rates = tuple(Rate("EUR", currency, rate) for currency, rate in told.items())
    return MarkMarket(source="ecb", at=fixed_at(day), rates=rates)


def closing(
    closes: files.Closes, index: int, starts_at: datetime, levels: Mapping[str, Decimal]
) -> CloseSession:
    """Tell the closes of a session, levels among them."""
    session = closes.sessions[index]
    told = [
        Close(instrument=name, price=files.decimal(price))
        for name, price in zip(closes.names, closes.told[index].tolist(), strict=True)
        if price == price  # noqa: PLR0124 - NaN is not itself
    ]
    told += [Close(instrument=name, price=level) for name, level in levels.items()]
    return CloseSession(
        calendar="XNYS", session=session, starts_at=starts_at, ends_at=ends_at(session),
        closes=tuple(told),
    )  # fmt: skip


def _of_portfolios(told: Story, index: int, session: date) -> Iterator[Command]:
    for flow in FLOWS:
        if flow.session == index:
            yield _moved(flow, session)
    for each in told.exchanges:
        if each.session == index:
            yield ExchangeCash(
                portfolio=EURO, intent=Intent.EXECUTED, sold=each.sold, bought=each.bought,
                value_date=session,
            )  # fmt: skip
    for order in told.orders:
        if order.session == index:
            yield traded(order, session)


def _moved(flow: Flow, session: date) -> Command:
    kind = DepositCash if flow.amount > 0 else WithdrawCash
    at = None if flow.hour is None else datetime.combine(session, time(flow.hour), UTC)
    return kind(
        portfolio=flow.portfolio,
        amount=Money(Decimal(abs(flow.amount)), flow.currency),
        value_date=session if at is None else None,
        at=at,
    )


def traded(order: Order, session: date) -> CaptureTrade:
    """Tell an order as it was filled, without a time of day."""
    return CaptureTrade(
        Capture(
            portfolio=order.portfolio,
            source="desk-1",
            external_id=f"{order.portfolio}-{order.session}-{order.name}",
            intent=Intent.EXECUTED,
            instrument=order.name,
            side=Side.BUY if order.quantity > 0 else Side.SELL,
            quantity=Decimal(abs(order.quantity)),
            price=order.price,
            currency="USD",
            fee=order.fee,
            trade_date=session,
        )
    )
