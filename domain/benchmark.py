"""Benchmarks: what portfolios are compared with, in versions by date (convention 13).

They belong to the tenant `market`: every tenant may compare with them. A version is in force from
its date until that of the next one; of two of one date the last told.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from domain.calendars import require_calendar
from domain.currencies import require_currency
from domain.event import Event
from domain.instrument import Instrument
from domain.money import ONE, ZERO
from domain.rejection import Rejection

CONSTITUENTS_MAX = 1_500
WEIGHTS_ROUNDING = Decimal("0.001")
"""By how much weights may miss one together: they are counted as parts of their sum."""


class BenchmarkKind(StrEnum):
    """What its return is of: shares whose weights drift, weights restored, or a level told."""

    FIXED_SHARES = "fixed_shares"
    REBALANCED = "rebalanced"
    INDEX_LEVEL = "index_level"


class Rebalancing(StrEnum):
    """How often weights are restored: at the end of each session, or of each such period."""

    DAILY = "daily"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class Constituent(msgspec.Struct, frozen=True, gc=False):
    """One name of a benchmark: so many shares, in units of the version's date, or so much weight.

    Of an index level it is the instrument whose closes are the level, once.
    """

    instrument: str
    amount: Decimal


class BenchmarkDeclared(Event, frozen=True):
    """A version of a benchmark, in force from a date on, whenever that was told.

    `rebalancing` is there where weights are restored. All names are of the one currency.
    """

    benchmark: str
    version: int
    from_date: date
    currency: str
    calendar: str
    kind: BenchmarkKind
    constituents: tuple[Constituent, ...]
    rebalancing: Rebalancing | None = None


def declare_benchmark(
    told: Sequence[BenchmarkDeclared],
    wanted: BenchmarkDeclared,
    *,
    instrument_of: Callable[[str], Instrument | None],
) -> BenchmarkDeclared | None:
    """Decide the next version of a benchmark; None where it is what was told last.

    The version of `wanted` is not read.

    Raises:
        Rejection: `calendar_unknown`, `currency_unknown`, `instrument_unknown`,
            `benchmark_invalid`.
    """
    wanted = msgspec.structs.replace(wanted, version=len(told))
    if told and told[-1] == wanted:
        return None
    require_calendar(wanted.calendar)
    require_currency(wanted.currency)
    if told and told[-1].currency != wanted.currency:
        raise _invalid(
            f"{wanted.benchmark} is in {told[-1].currency}: one in {wanted.currency} is another "
            "benchmark, under a name of its own."
        )
    _require_composition(wanted)
    for each in wanted.constituents:
        instrument = instrument_of(each.instrument)
        if instrument is None or instrument.registered is None:
            message = f"Instrument {each.instrument} is not registered."
            raise Rejection("instrument_unknown", message)
        if instrument.currency != wanted.currency:
            raise _invalid(
                f"{each.instrument} is in {instrument.currency}, the benchmark in "
                f"{wanted.currency}: all names of a benchmark are of its currency."
            )
    return msgspec.structs.replace(wanted, version=len(told) + 1)


def _require_composition(wanted: BenchmarkDeclared) -> None:
    amounts = {each.instrument: each.amount for each in wanted.constituents}
    if not amounts or len(amounts) > CONSTITUENTS_MAX:
        raise _invalid(f"A benchmark has between 1 and {CONSTITUENTS_MAX} names.")
    if len(amounts) < len(wanted.constituents):
        raise _invalid("A name may stand in a benchmark once only.")
    if any(amount <= 0 for amount in amounts.values()):
        raise _invalid("Shares and weights are above zero.")
    if (wanted.rebalancing is None) is (wanted.kind is BenchmarkKind.REBALANCED):
        raise _invalid("Say how often weights are restored, and only where they are.")
    if wanted.kind is BenchmarkKind.INDEX_LEVEL and list(amounts.values()) != [ONE]:
        raise _invalid("An index level is that of one instrument, once.")
    total = sum(amounts.values(), ZERO)
    if wanted.kind is BenchmarkKind.REBALANCED and abs(total - 1) > WEIGHTS_ROUNDING:
        raise _invalid(f"Weights sum to 1, not to {total:f}.")


def _invalid(message: str) -> Rejection:
    return Rejection("benchmark_invalid", message)
