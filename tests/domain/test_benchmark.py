"""Declaring benchmarks: versions, repeats, and what is no benchmark."""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.benchmark import (
    BenchmarkDeclared,
    BenchmarkKind,
    Constituent,
    Rebalancing,
    declare_benchmark,
)
from domain.instrument import AssetClass, Instrument, InstrumentRegistered
from domain.rejection import Rejection


def instrument(name: str) -> Instrument | None:
    """Three instruments are known; one is in euros."""
    if name not in {"AAPL", "MSFT", "SAP"}:
        return None
    known = Instrument()
    known.apply(
        InstrumentRegistered(
            instrument=name, symbol=name, currency="EUR" if name == "SAP" else "USD",
            asset_class=AssetClass.EQUITY, calendar="XNYS",
        )
    )  # fmt: skip
    return known


def names(**amounts: str) -> tuple[Constituent, ...]:
    """Names with their amounts."""
    return tuple(Constituent(name, Decimal(amount)) for name, amount in amounts.items())


SHARES = BenchmarkDeclared(
    benchmark="TECH", version=0, from_date=date(2024, 1, 2), currency="USD", calendar="XNYS",
    kind=BenchmarkKind.FIXED_SHARES, constituents=names(AAPL="10", MSFT="20.5"),
)  # fmt: skip
WEIGHTS = replace(
    SHARES, kind=BenchmarkKind.REBALANCED, constituents=names(AAPL="0.25", MSFT="0.75"),
    rebalancing=Rebalancing.MONTHLY,
)  # fmt: skip
LEVEL = replace(SHARES, kind=BenchmarkKind.INDEX_LEVEL, constituents=names(AAPL="1"))


def declared(*told: BenchmarkDeclared) -> list[BenchmarkDeclared]:
    """Tell versions one after the other; give those that became events."""
    found: list[BenchmarkDeclared] = []
    for wanted in told:
        event = declare_benchmark(found, wanted, instrument_of=instrument)
        found += [] if event is None else [event]
    return found


class TestVersions:
    """What is told becomes the next version."""

    def test_are_counted(self) -> None:
        """From one on, of any kind."""
        assert [each.version for each in declared(SHARES, WEIGHTS, LEVEL)] == [1, 2, 3]

    def test_what_was_told_last_is_not_told_again(self) -> None:
        """But what was told before it is: it changes what holds."""
        assert [each.version for each in declared(SHARES, SHARES, WEIGHTS, SHARES)] == [1, 2, 3]


class TestRefusing:
    """What means nothing is refused by name."""

    def test_another_currency(self) -> None:
        """All returns of a benchmark, past ones too, are told in the one it has."""
        in_euros = replace(SHARES, currency="EUR", constituents=names(SAP="1"))
        with pytest.raises(Rejection) as refused:
            declared(SHARES, in_euros)
        assert refused.value.code == "benchmark_invalid"
        assert len(declared(in_euros)) == 1

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (replace(SHARES, calendar="NOWHERE"), "calendar_unknown"),
            (replace(SHARES, currency="XXX"), "currency_unknown"),
            (replace(SHARES, constituents=names(GONE="1")), "instrument_unknown"),
            (replace(SHARES, constituents=names(SAP="1")), "benchmark_invalid"),
            (replace(SHARES, constituents=()), "benchmark_invalid"),
            (replace(SHARES, constituents=names(AAPL="1") * 2), "benchmark_invalid"),
            (replace(SHARES, constituents=names(AAPL="0")), "benchmark_invalid"),
            (replace(SHARES, rebalancing=Rebalancing.DAILY), "benchmark_invalid"),
            (replace(WEIGHTS, rebalancing=None), "benchmark_invalid"),
            (replace(WEIGHTS, constituents=names(AAPL="0.5")), "benchmark_invalid"),
            (replace(LEVEL, constituents=names(AAPL="2")), "benchmark_invalid"),
            (replace(LEVEL, constituents=names(AAPL="1", MSFT="1")), "benchmark_invalid"),
        ],
    )
    def test_says_what(self, wanted: BenchmarkDeclared, code: str) -> None:
        """And nothing is told."""
        with pytest.raises(Rejection) as refused:
            declare_benchmark([], wanted, instrument_of=instrument)

        assert refused.value.code == code

    def test_weights_may_miss_one_by_rounding(self) -> None:
        """Three times a third."""
        thirds = names(AAPL="0.3333", MSFT="0.6666")

        assert declared(replace(WEIGHTS, constituents=thirds))[0].version == 1
