"""Histories of a source, drawn: trades, corrections, settlement, refusals and blocks."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.block import BlockRefused
from domain.correcting import Amend
from domain.lots import CostBasis
from domain.rejection import Breach
from domain.trade import Capture, TradeRefused
from tests.domain.blotter import Blotter, Message
from tests.domain.scenes import TUESDAY, captured, name_of
from tests.domain.test_allocating import block
from tests.domain.test_trade_correction_laws import stories
from tests.domain.test_trade_settlement import settlement_stories
from tests.projections.outcomes.copying import Commands

REFUSED = TradeRefused(
    trade_id=name_of("no"),
    capture=captured("no", source_sequence=9),
    market_position=7,
    breaches=(Breach("insufficient_cash", "Cash is short.", "10", "11"),),
)
OTHERS = (
    REFUSED,
    replace(REFUSED, capture=captured("no", trade_date=TUESDAY, source_sequence=4_097)),
    BlockRefused(
        block_id=name_of("block"), block=block(1, 1, source_sequence=2), market_position=1
    ),
)

slow = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def histories(draw: st.DrawFn) -> Commands:
    """Commands as a blotter decides them, the numbers of their source among them."""
    messages, _ = draw(st.one_of(stories(), settlement_stories()))
    made = Blotter(draw(st.sampled_from(CostBasis)))
    made.tell(*_numbered(messages, draw(st.lists(st.integers(0, 9) | st.none(), min_size=1))))
    commands: list[Any] = [*made.commands]
    for other in draw(st.lists(st.sampled_from(OTHERS), max_size=3)):
        commands.insert(draw(st.integers(0, len(commands))), [other])
    return commands


def _numbered(messages: list[Message], numbers: list[int | None]) -> list[Message]:
    """Give contents numbers; the same content, told again, has the same."""
    given: dict[Message, int | None] = {}
    told: list[Message] = []
    for message in messages:
        if isinstance(message, Capture | Amend):
            number = given.setdefault(message, numbers[len(given) % len(numbers)])
            told.append(_bearing(message, number))
        else:
            told.append(message)
    return told


def _bearing(message: Capture | Amend, number: int | None) -> Message:
    if isinstance(message, Capture):
        return replace(message, source_sequence=number)
    return replace(message, capture=replace(message.capture, source_sequence=number))
