"""Events of any content, derived from the annotations of their types.

A field of a new type, or a text of a new name, has no strategy here: whoever adds it says what it
may hold, and what its largest value is. `largest` gives the event that takes most bytes.
"""

import enum
import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from domain.alerts.events import CONTRIBUTORS_MAX, AlertEscalated, AlertRaised
from domain.alerts.terms import CHANNELS_MAX, STEPS_MAX, AlertStep, AlertTerms
from domain.benchmark import CONSTITUENTS_MAX, BenchmarkDeclared
from domain.block import (
    ALLOCATIONS_MAX,
    BLOCK_NAME_MAX,
    FILLS_MAX,
    Block,
    BlockAllocated,
    BlockBusted,
    BlockRefused,
)
from domain.contests.events import RANKS_PER_EVENT_MAX, RanksStruck, ResultStruck
from domain.contests.terms import UNIVERSE_MAX, ContestTerms
from domain.event import Event
from domain.figures import FIGURES_MAX, PARAMETERS_MAX, FiguresStruck, StruckFigure
from domain.limits.events import OverrideApproved, OverrideProposed
from domain.limits.terms import CURRENCIES_MAX, RULES_MAX, LimitTerms
from domain.lots import Fill
from domain.market import (
    CLOSES_PER_SESSION_MAX,
    MARKS_PER_EVENT_MAX,
    Finding,
    MarketMarked,
    SessionClosed,
)
from domain.portfolio.corporate_events import LotsSpunOff
from domain.portfolio.events import (
    CHANGES_PER_EVENT_MAX,
    LOTS_PER_EVENT_MAX,
    LotsClosed,
    LotsRestated,
    TradeBooked,
)
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.rejection import BREACHES_MAX
from domain.trade import (
    LOTS_NAMED_MAX,
    Capture,
    TradeAmended,
    TradeCaptured,
    TradeRefused,
    TradeReleased,
)
from domain.transfers import LOTS_PER_TRANSFER_MAX, Transfer
from tests.domain.numbers import wide

NAME = r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}"
WIDEST = Decimal("-" + "9" * 26 + "." + "9" * 12)
LONGEST_NAME = "N" * 64
LONGEST_LINE = "\U0001f4c8" * 200
"""200 characters of four bytes each in UTF-8."""

LATEST = datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
INTEGER_MAX = 2**63 - 1


class Text(NamedTuple):
    """What a text field may hold, and its longest value."""

    strategy: st.SearchStrategy[str]
    longest: str


_name = Text(st.from_regex(NAME, fullmatch=True), LONGEST_NAME)
_currency = Text(st.from_regex(r"[A-Z]{3}", fullmatch=True), "USD")
_external_id = Text(st.from_regex(r"[!-~]{1,128}", fullmatch=True), '"' * 128)
_block = Text(st.from_regex(r"[!-~]{1,63}", fullmatch=True), '"' * BLOCK_NAME_MAX)
_line = Text(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200), LONGEST_LINE)
_code = Text(st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True), "c" * 64)

TEXTS: dict[str, Text] = {
    "portfolio": _name,
    "to_portfolio": _name,
    "transfer": _name,
    "instrument": _name,
    "source": _name,
    "calendar": _name,
    "benchmark": _name,
    "contest": _name,
    "participant": _external_id,
    "universe": _name,
    "title": _line,
    "owner": _external_id,
    "external_id": _external_id,
    "block": _block,
    "settlement_id": _external_id,
    "failure_id": _external_id,
    "currency": _currency,
    "base_currency": _currency,
    "base": _currency,
    "quote": _currency,
    "symbol": _line,
    "sector": _line,
    "reason": _code,
    "action": _name,
    "child": _name,
    "rule": _code,
    "message": Text(st.text(st.characters(codec="utf-8"), max_size=300), LONGEST_LINE),
    "limit": Text(st.text(st.characters(codec="utf-8"), max_size=64), "9" * 64),
    "headroom": Text(st.text(st.characters(codec="utf-8"), max_size=64), "9" * 64),
    "limited_by": _name,
    "rules": _code,
    "currencies": _currency,
    "proposed_by": _external_id,
    "approved_by": _external_id,
    "declined_by": _external_id,
    "assigned_by": _external_id,
    "declared_by": _external_id,
    "retired_by": _external_id,
    "acknowledged_by": _external_id,
    "resolved_by": _external_id,
    "alert_rule": _name,
    "channels": _name,
    "channel": _name,
    "requested_by": _external_id,
    "contributor": _name,
    "name": _code,
    "method": _line,
    "calculation": _code,
    "value": _external_id,
    "actual": Text(st.text(st.characters(codec="utf-8"), max_size=64), "9" * 64),
}

SCALARS: dict[type, st.SearchStrategy[Any]] = {
    Decimal: wide,
    UUID: st.uuids(),
    date: st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    datetime: st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - Hypothesis wants bounds without a zone
        datetime(2199, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    int: st.integers(0, INTEGER_MAX),
    bool: st.booleans(),
}
LARGEST: dict[type, object] = {
    Decimal: WIDEST,
    UUID: UUID(int=2**128 - 1),
    date: LATEST.date(),
    datetime: LATEST,
    int: INTEGER_MAX,
    bool: False,
}

COUNTS_MAX: dict[tuple[type, str], int] = {
    (TradeBooked, "closed"): LOTS_PER_EVENT_MAX,
    (LotsClosed, "closed"): LOTS_PER_EVENT_MAX,
    (LotsRestated, "lots"): LOTS_PER_EVENT_MAX,
    (LotsRestated, "changes"): CHANGES_PER_EVENT_MAX,
    (LotsSpunOff, "lots"): LOTS_PER_EVENT_MAX,
    (LotsTransferredOut, "lots"): LOTS_PER_TRANSFER_MAX,
    (LotsTransferredIn, "lots"): LOTS_PER_TRANSFER_MAX,
    (Transfer, "named"): LOTS_NAMED_MAX,
    (MarketMarked, "marks"): MARKS_PER_EVENT_MAX,
    (MarketMarked, "rates"): MARKS_PER_EVENT_MAX,
    (SessionClosed, "closes"): CLOSES_PER_SESSION_MAX,
    (TradeCaptured, "breaches"): BREACHES_MAX,
    (TradeReleased, "breaches"): BREACHES_MAX,
    (TradeRefused, "breaches"): BREACHES_MAX,
    (TradeAmended, "breaches"): BREACHES_MAX,
    (LimitTerms, "currencies"): CURRENCIES_MAX,
    (OverrideProposed, "rules"): RULES_MAX,
    (OverrideApproved, "rules"): RULES_MAX,
    (Block, "fills"): FILLS_MAX,
    (Block, "allocations"): ALLOCATIONS_MAX,
    (BlockAllocated, "allotments"): ALLOCATIONS_MAX,
    (BlockBusted, "trade_ids"): ALLOCATIONS_MAX,
    (BlockRefused, "breaches"): 1,
    (Fill, "closes"): LOTS_NAMED_MAX,
    (Capture, "closes"): LOTS_NAMED_MAX,
    (BenchmarkDeclared, "constituents"): CONSTITUENTS_MAX,
    (FiguresStruck, "figures"): FIGURES_MAX,
    (StruckFigure, "parameters"): PARAMETERS_MAX,
    (AlertTerms, "steps"): STEPS_MAX,
    (AlertStep, "channels"): CHANNELS_MAX,
    (AlertRaised, "channels"): CHANNELS_MAX,
    (AlertRaised, "contributors"): CONTRIBUTORS_MAX,
    (AlertEscalated, "channels"): CHANNELS_MAX,
    (ContestTerms, "universe"): UNIVERSE_MAX,
    (RanksStruck, "ranks"): RANKS_PER_EVENT_MAX,
    (ResultStruck, "ranks"): RANKS_PER_EVENT_MAX,
}
"""Most items of every tuple field, as the domain documents them."""


def fields_of(kind: type) -> dict[str, Any]:
    """The annotated fields of a struct."""
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}  # type: ignore[attr-defined]


def is_tuple(annotation: object) -> bool:
    """Say whether an annotation is `tuple[item, ...]`."""
    return typing.get_origin(annotation) is tuple


def without_none(annotation: object) -> object | None:
    """Give what is optional in `thing | None`, None where nothing is."""
    if typing.get_origin(annotation) not in {types.UnionType, typing.Union}:
        return None
    (kind,) = (each for each in typing.get_args(annotation) if each is not types.NoneType)
    return typing.cast("object", kind)


def strategy_of(annotation: Any, name: str) -> st.SearchStrategy[Any]:  # noqa: ANN401
    """Derive a strategy from an annotation; a text's name says what it holds."""
    optional = without_none(annotation)
    if optional is not None:
        return st.none() | strategy_of(optional, name)
    if is_tuple(annotation):
        item = typing.get_args(annotation)[0]
        return st.lists(strategy_of(item, name), max_size=3).map(tuple)
    if annotation is str:
        assert name in TEXTS, f"say in TEXTS what a text named {name!r} may hold"
        return TEXTS[name].strategy
    if issubclass(annotation, msgspec.Struct):
        return structs(annotation)
    if issubclass(annotation, enum.Enum):
        return st.sampled_from(annotation)
    assert annotation in SCALARS, f"say in SCALARS what a field of type {annotation} may hold"
    return SCALARS[annotation]


def structs(kind: Callable[..., Any]) -> st.SearchStrategy[Any]:
    """Derive a strategy for a struct from its annotations; any field may be left to its default."""
    fields = {
        name: strategy_of(annotation, name)
        for name, annotation in fields_of(typing.cast("type", kind)).items()
    }
    return st.builds(kind, **fields)


def largest(kind: type) -> Any:  # noqa: ANN401 - whatever the type is
    """Make the struct whose bytes are the most: every field there, and as wide as it can be."""
    values = {
        name: _largest(kind, annotation, name) for name, annotation in fields_of(kind).items()
    }
    return kind(**values)


def _largest(owner: type, annotation: Any, name: str) -> object:  # noqa: ANN401
    annotation = without_none(annotation) or annotation
    if is_tuple(annotation):
        item = typing.get_args(annotation)[0]
        if item is Finding:
            return tuple(Finding)
        return (_largest(owner, item, name),) * COUNTS_MAX[owner, name]
    if annotation is str:
        return TEXTS[name].longest
    if issubclass(annotation, msgspec.Struct):
        return largest(annotation)
    if issubclass(annotation, enum.Enum):
        return max(annotation, key=lambda each: len(each.value))
    return LARGEST[annotation]


def events(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of a type."""
    return typing.cast("st.SearchStrategy[Event]", structs(kind))
