"""Declaring a benchmark: the command, and its handler."""

from datetime import date

from commands.command import Command, Issued
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain.benchmark import (
    BenchmarkDeclared,
    BenchmarkKind,
    Constituent,
    Rebalancing,
)
from domain.benchmark import declare_benchmark as decide
from domain.identity import MARKET_TENANT, benchmark_stream


class DeclareBenchmark(Command, frozen=True, kw_only=True, tag="declare_benchmark"):
    """Tell what a benchmark consists of from a date on."""

    benchmark: str
    from_date: date
    currency: str
    calendar: str
    kind: BenchmarkKind
    constituents: tuple[Constituent, ...]
    rebalancing: Rebalancing | None = None


def declare_benchmark(
    issued: Issued, command: DeclareBenchmark, view: View
) -> Decision | AlreadyDecided:
    """Tell a version, the next of its stream; what was told last is not told again."""
    assert issued.tenant == MARKET_TENANT, "only the tenant `market` owns benchmarks"
    stream = benchmark_stream(command.benchmark)
    told = [each for each in view.events(stream) if isinstance(each, BenchmarkDeclared)]
    wanted = BenchmarkDeclared(
        benchmark=command.benchmark,
        version=0,
        from_date=command.from_date,
        currency=command.currency,
        calendar=command.calendar,
        kind=command.kind,
        constituents=command.constituents,
        rebalancing=command.rebalancing,
    )
    declared = decide(told, wanted, instrument_of=view.instrument)
    if declared is None:
        return AlreadyDecided(stream, len(told))
    return Decision(events=(Addressed(stream, MARKET_TENANT, declared),), of_stream=stream)
