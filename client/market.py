"""Commands about what all tenants share: instruments, marks, sessions (tenant `market` only)."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from client.command import BatchableCommand, Command, Content, Day, Instant, Number

AssetClass = Literal["equity", "fund", "crypto", "other"]
BenchmarkKind = Literal["fixed_shares", "rebalanced", "index_level"]
Rebalancing = Literal["daily", "monthly", "quarterly", "yearly"]

_INSTRUMENT = "/v1/instruments/{instrument}"


class Instrument(BatchableCommand, frozen=True):
    """An instrument to register for every tenant."""

    address: ClassVar[str] = "/v1/instruments"
    batch_address: ClassVar[str] = "/v1/instruments:batch"

    instrument: str
    symbol: str
    currency: str
    asset_class: AssetClass
    calendar: str
    sector: str | None = None


class Constituent(Content, frozen=True):
    """A name with its shares, or with its weight as a fraction; 1 for the one of an index level."""

    instrument: str
    amount: Number


class Benchmark(Command, frozen=True):
    """What a benchmark consists of from a date on, in names of its one currency.

    Weights are given where `rebalancing` says how often they are restored, and sum to 1.
    """

    address: ClassVar[str] = "/v1/benchmarks"

    benchmark: str
    from_date: Day
    currency: str
    calendar: str
    kind: BenchmarkKind
    constituents: Sequence[Constituent]
    rebalancing: Rebalancing | None = None


class Mark(Content, frozen=True):
    """One instrument's price, in its own currency."""

    instrument: str
    price: Number


class Rate(Content, frozen=True):
    """An FX rate: units of `quote` for one of `base`."""

    base: str
    quote: str
    rate: Number


class Marks(Command, frozen=True):
    """Marks and rates in force from `at`; at least one of either, at most 1,000 of each."""

    address: ClassVar[str] = "/v1/marks"

    at: Instant
    marks: Sequence[Mark] = ()
    rates: Sequence[Rate] = ()


class BusinessTime(Command, frozen=True):
    """The instant that business time has come to."""

    address: ClassVar[str] = "/v1/time"

    at: Instant


class Close(Content, frozen=True):
    """One close; `has_bar` says that the source gives open, high, low and volume at all."""

    instrument: str
    price: Number
    has_bar: bool = False
    open: Number | None = None
    high: Number | None = None
    low: Number | None = None
    volume: Number | None = None


class Session(Command, frozen=True):
    """A calendar's session [starts_at, ends_at) to be closed, with its closes."""

    address: ClassVar[str] = "/v1/sessions"

    calendar: str
    session: Day
    starts_at: Instant
    ends_at: Instant
    closes: Sequence[Close] = ()


class CloseCorrection(Command, frozen=True):
    """A close to be replaced; `price` None cancels it."""

    address: ClassVar[str] = "/v1/sessions/corrections"

    calendar: str
    session: Day
    instrument: str
    price: Number | None
    reason: str


class InstrumentTitle(Command, frozen=True):
    """An instrument's title from a date on."""

    address: ClassVar[str] = f"{_INSTRUMENT}/titles"

    instrument: str
    title: str
    from_date: Day


class SymbolChange(Command, frozen=True):
    """An instrument's symbol from a date on."""

    address: ClassVar[str] = f"{_INSTRUMENT}/symbols"

    instrument: str
    symbol: str
    from_date: Day


class SectorAssignment(Command, frozen=True):
    """An instrument's sector from a date on; None: unclassified."""

    address: ClassVar[str] = f"{_INSTRUMENT}/sectors"

    instrument: str
    sector: str | None
    from_date: Day


class Suspension(Command, frozen=True):
    """Trading is suspended from an instant on."""

    address: ClassVar[str] = f"{_INSTRUMENT}/suspensions"

    instrument: str
    from_at: Instant
    reason: str


class Resumption(Command, frozen=True):
    """Trading goes on from an instant on."""

    address: ClassVar[str] = f"{_INSTRUMENT}/resumptions"

    instrument: str
    from_at: Instant


class Delisting(Command, frozen=True):
    """The first day on which it is not listed any more."""

    address: ClassVar[str] = f"{_INSTRUMENT}/delistings"

    instrument: str
    on_date: Day


class WriteDown(Command, frozen=True):
    """What it is worth from an instant on, until it has a newer price."""

    address: ClassVar[str] = f"{_INSTRUMENT}/write-downs"

    instrument: str
    price: Number
    at: Instant
    reason: str


class Split(Command, frozen=True):
    """`new` units for every `old` ones from the ex-date on."""

    address: ClassVar[str] = f"{_INSTRUMENT}/splits"

    instrument: str
    action: str
    ex_date: Day
    new: int
    old: int
    fraction_price: Number | None = None
    prices_adjusted: bool = False


class StockDividend(Command, frozen=True):
    """`new` further units for every `held` ones."""

    address: ClassVar[str] = f"{_INSTRUMENT}/stock-dividends"

    instrument: str
    action: str
    ex_date: Day
    new: int
    held: int
    fraction_price: Number | None = None
    prices_adjusted: bool = False


class CashDividend(Command, frozen=True):
    """`per_unit` of `currency`, paid on the pay date; `withholding_rate` is a fraction of it."""

    address: ClassVar[str] = f"{_INSTRUMENT}/dividends"

    instrument: str
    action: str
    ex_date: Day
    pay_date: Day
    per_unit: Number
    currency: str
    withholding_rate: Number = "0"


class SpinOff(Command, frozen=True):
    """`new` units of `child` for every `old` ones, with `cost_share` (a fraction) of the cost."""

    address: ClassVar[str] = f"{_INSTRUMENT}/spin-offs"

    instrument: str
    action: str
    ex_date: Day
    child: str
    new: int
    old: int
    cost_share: Number
    fraction_price: Number | None = None


class ActionReversal(Command, frozen=True):
    """A corporate action taken back."""

    address: ClassVar[str] = f"{_INSTRUMENT}/reversals"

    instrument: str
    action: str
    reason: str
