"""What a trading system asks of its own trades: the drop copy, its state, its control totals."""

import asyncio
import time
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated

import msgspec
from starlette.responses import Response

from gateway.access import Action, permits
from gateway.decoding import EARLIEST, LATEST
from gateway.interface import Call, Endpoint
from gateway.openapi import Answer, PathParameter
from gateway.problem import Problem
from gateway.tokens import Principal
from projections.asking import Readable
from projections.outcomes.lines import Outcome
from projections.outcomes.queries import (
    LINES_MAX,
    DayTotals,
    Lines,
    control_totals_of,
    outcomes_after,
    state_of,
)
from read_api.asking import WAIT_SECONDS_MAX, Asked, Asking
from read_api.declaring import query

SOURCE = PathParameter("source", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The source's name.")
NDJSON = "application/x-ndjson"
COMPLETE_POSITION = "Complete-Position"
SOURCES = (Action.READ_OWN_SOURCE, Action.READ_ANY_SOURCE)
OWN = ("source_missing", "source_not_yours")
_PAUSE_SECONDS = 0.05
"""Least time between two looks at the same drop copy, however fast the log moves on."""


class OutcomesAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which stretch of a drop copy."""

    after_position: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=2**63 - 1,
            description="Lines behind this log position: that of the last line you have, or the "
            f"{COMPLETE_POSITION} of the answer before; 0 from the beginning.",
        ),
    ] = 0
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=LINES_MAX, description="The most lines of one answer.")
    ] = 1_000
    wait_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=WAIT_SECONDS_MAX,
            description="While there is no line, how long to wait for one, in seconds.",
        ),
    ] = 0.0


Since = Annotated[date, msgspec.Meta(description="The first trade date asked for.")]
Until = Annotated[date, msgspec.Meta(description="The last trade date asked for.")]


class TotalsAsked(Asked, kw_only=True):
    """Which trade dates; all without."""

    from_date: Since | None = None
    to_date: Until | None = None


class SequenceGap(msgspec.Struct, frozen=True):
    """Numbers that have not arrived between two that have; both ends are missing."""

    first: int
    last: int


class OneSourceState(msgspec.Struct, frozen=True, kw_only=True):
    """What has arrived of a source, up to `position` at least.

    A `source_sequence` has arrived with any capture, amend or block that the log holds, refused,
    parked, held and busted ones too; what was malformed or met a conflict has not. Numbers count
    from the lowest that arrived; `gaps` are the first hundred. `last_position` is that of the last
    line of the drop copy, `counts` are its lines by kind.
    """

    source: str
    position: int
    last_position: int
    counts: dict[str, int]
    lowest_sequence: int | None = None
    last_contiguous_sequence: int | None = None
    highest_sequence: int | None = None
    missing_count: int = 0
    gap_count: int = 0
    gaps: list[SequenceGap] = []


class ControlTotal(msgspec.Struct, frozen=True, kw_only=True):
    """A source's trades of one trade date and currency, as they stand now.

    `quantity` is bought minus sold; `consideration` as cash moves, so bought is negative, `fees`
    not in it. `refused` counts refusals, `parked` trades that wait for their instrument, `held`
    amends that wait for their trade. What tells no date (a held bust or settlement) has neither
    date nor currency.
    """

    trade_date: date | None
    currency: str | None
    trades: int
    quantity: Decimal
    consideration: Decimal
    fees: Decimal
    refused: int
    parked: int
    held: int


class SourceControlTotals(msgspec.Struct, frozen=True):
    """Totals by trade date, then currency; of everything up to `position` at least."""

    source: str
    position: int
    items: list[ControlTotal]


class Sources:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def outcomes(self, call: Call) -> Response:
        """Give what follows in a drop copy; wait for it where there is nothing yet."""
        asked: OutcomesAsked = call.parameters
        look = partial(
            outcomes_after,
            tenant=call.principal.tenant,
            source=_permitted(call),
            after=asked.after_position,
            limit=asked.limit,
        )
        deadline = time.monotonic() + asked.wait_seconds
        while True:
            looked_at = time.monotonic()
            found = await self._asking.at_once(look)
            if found.lines or time.monotonic() >= deadline:
                return _lines_response(found)
            await self._asking.moved_on("outcomes", found.complete_to, deadline)
            rest = min(looked_at + _PAUSE_SECONDS, deadline) - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)

    async def state(self, call: Call) -> Response:
        """Say what has arrived of a source."""
        tenant, source = call.principal.tenant, _permitted(call)

        def ask(readable: Readable) -> OneSourceState:
            found = state_of(readable, tenant=tenant, source=source)
            state = OneSourceState(
                source=source,
                position=found.position,
                last_position=found.last_position,
                counts=found.counts,
            )
            if found.arrived is None:
                return state
            return msgspec.structs.replace(
                state,
                lowest_sequence=found.arrived.lowest,
                last_contiguous_sequence=found.arrived.contiguous,
                highest_sequence=found.arrived.highest,
                missing_count=found.arrived.missing,
                gap_count=found.arrived.gap_count,
                gaps=[SequenceGap(*gap) for gap in found.arrived.gaps],
            )

        return await self._asking.answer(call, "outcomes", ask)

    async def control_totals(self, call: Call) -> Response:
        """Sum a source's trades up by trade date and currency."""
        asked: TotalsAsked = call.parameters
        tenant, source = call.principal.tenant, _permitted(call)
        from_date, to_date = asked.from_date or EARLIEST, asked.to_date or LATEST
        if from_date > to_date:
            raise Problem(
                "parameter_invalid", "from_date lies behind to_date.", fields=("from_date",)
            )

        def ask(readable: Readable) -> SourceControlTotals:
            found = control_totals_of(
                readable, tenant=tenant, source=source, from_date=from_date, to_date=to_date
            )
            return SourceControlTotals(source, found.position, list(map(_total, found.totals)))

        return await self._asking.answer(call, "outcomes", ask)


def source_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give every address below a source."""
    sources, own = Sources(asking), "/v1/sources/{source}"
    lines = Answer(
        200,
        "One outcome a line, in log order; no line where nothing came.",
        {NDJSON: Outcome},
        {COMPLETE_POSITION: "Everything up to this log position is in this or earlier answers."},
    )
    return (
        Endpoint(
            "GET",
            f"{own}/outcomes",
            "list_outcomes",
            "A source's drop copy: what became of its trades, in log order",
            SOURCES,
            sources.outcomes,
            (lines,),
            description="Each acceptance, refusal, amend, bust, settlement and restatement once, "
            "as a line of JSON at its log position. Go on with `after_position`: whoever resumes "
            "from the last position he has gets exactly the rest.",
            parameters=OutcomesAsked,
            parts=(SOURCE,),
            problems=("not_ready", *OWN),
        ),
        query(
            f"{own}/state",
            "get_source_state",
            "Which of a source's numbers have arrived, and its outcomes by kind",
            SOURCES,
            Asked,
            OneSourceState,
            sources.state,
            SOURCE,
            problems=OWN,
        ),
        query(
            f"{own}/control-totals",
            "list_control_totals",
            "A source's trades as they stand, summed up by trade date and currency",
            SOURCES,
            TotalsAsked,
            SourceControlTotals,
            sources.control_totals,
            SOURCE,
            problems=OWN,
        ),
    )


def _permitted(call: Call) -> str:
    """Give the source of the address, if the token may ask about it."""
    source = call.named(SOURCE)
    require_source(call.principal, source)
    return source


def require_source(principal: Principal, source: str) -> None:
    """Let pass who may ask about a source.

    Raises:
        Problem: `source_missing` or `source_not_yours`, whether or not there is such a source.
    """
    own = principal.source
    if permits(principal, Action.READ_ANY_SOURCE) or own == source:
        return
    if own is None:
        raise Problem("source_missing", "Use a token issued with the source you ask about.")
    raise Problem("source_not_yours", f"The token speaks for the source {own} alone.")


def _lines_response(found: Lines) -> Response:
    body = "".join([line + "\n" for line in found.lines])
    return Response(body, headers={COMPLETE_POSITION: str(found.complete_to)}, media_type=NDJSON)


def _total(day: DayTotals) -> ControlTotal:
    return ControlTotal(**msgspec.structs.asdict(day))
