"""Benchmarks over HTTP: what a version consists of."""

from datetime import date
from typing import Annotated

import msgspec
from starlette.responses import Response

from commands.benchmarks import DeclareBenchmark
from domain.benchmark import CONSTITUENTS_MAX, BenchmarkKind, Constituent, Rebalancing
from gateway.access import Action
from gateway.decoding import CurrencyCode, Name, Number, plausible_day, positive
from gateway.interface import Call, Endpoint, Handle
from write_api.bodies import Body, Calendar
from write_api.declaring import single
from write_api.issuing import Issuing
from write_api.reading_bodies import BodyReader


class ConstituentBody(Body, frozen=True):
    """A name with its shares, or with its weight as a fraction; 1 for the one of an index level."""

    instrument: Name
    amount: Number


class BenchmarkVersionBody(Body, frozen=True, kw_only=True):
    """What a benchmark consists of from a date on, in names of its one currency.

    `fixed_shares`: shares in units of that date, weights drift; `rebalanced`: weights that sum to
    1, restored as `rebalancing` says; `index_level`: one name, whose closes are the level.
    """

    benchmark: Name
    from_date: date
    currency: CurrencyCode
    calendar: Calendar
    kind: BenchmarkKind
    constituents: Annotated[
        tuple[ConstituentBody, ...], msgspec.Meta(min_length=1, max_length=CONSTITUENTS_MAX)
    ]
    rebalancing: Rebalancing | None = None


def benchmark_command(body: BenchmarkVersionBody) -> DeclareBenchmark:
    """Build the declaration; names are put in order, as theirs means nothing.

    Raises:
        BodyFaulty: an amount or the date is out of range.
    """
    constituents = [
        Constituent(each.instrument, positive(f"constituents[{index}].amount", each.amount))
        for index, each in enumerate(body.constituents)
    ]
    return DeclareBenchmark(
        benchmark=body.benchmark,
        from_date=plausible_day("from_date", body.from_date),
        currency=body.currency,
        calendar=body.calendar,
        kind=body.kind,
        constituents=tuple(sorted(constituents, key=lambda each: each.instrument)),
        rebalancing=body.rebalancing,
    )


def benchmark_endpoint(issuing: Issuing) -> Endpoint:
    """Declare the address that takes one."""
    return single(
        "/v1/benchmarks",
        "declare_benchmark",
        "Say what a benchmark consists of from a date on",
        (Action.DECLARE_BENCHMARK,),
        BenchmarkVersionBody,
        _handle(issuing),
        description="Known to every tenant. The answer's `stream_version` is the version.",
    )


def _handle(issuing: Issuing) -> Handle:
    reader = BodyReader(BenchmarkVersionBody)

    async def handle(call: Call) -> Response:
        body: BenchmarkVersionBody = await reader.read(call)
        return await issuing.single(call, benchmark_command(body))

    return handle
