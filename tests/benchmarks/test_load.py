"""The load: every body is understood, nothing is sold that is not held, no name comes twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline.load import INSTRUMENTS, PORTFOLIOS, Lane, Ticks
from domain.trade import Capture, Intent
from write_api.bodies import MarksBody, TradeBody, marks_command, trade_command

BEGAN_AT = datetime(2024, 3, 4, 9, 30, tzinfo=UTC)
LANES = 4


def captures(lane: Lane) -> list[Capture]:
    """What the command side makes of everything a lane has drawn."""
    bodies = [
        body
        for batch in lane.drawn
        for body in msgspec.json.decode(batch.body, type=list[TradeBody])
    ]
    return [trade_command(body, lane.source).capture for body in bodies]


class TestALane:
    """What one connection sends."""

    @given(st.integers(0, LANES - 1), st.integers(1, 3), st.integers(1, 200))
    def test_sells_only_what_it_holds(self, number: int, batches: int, trades: int) -> None:
        """In the order told; so nothing is refused and nothing warned of."""
        lane = Lane(number, of=LANES, began_at=BEGAN_AT)
        lane.draw_up_to(batches, trades=trades)

        held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        found = captures(lane)
        for capture in found:
            sign = 1 if capture.side == "buy" else -1
            held[capture.portfolio, capture.instrument] += sign * capture.quantity
            assert held[capture.portfolio, capture.instrument] >= 0
        assert len(found) == batches * trades == sum(batch.trades for batch in lane.drawn)

    def test_has_portfolios_of_its_own(self) -> None:
        """Together the lanes serve all of them, and no trade or batch has another's name."""
        lanes = [Lane(number, of=LANES, began_at=BEGAN_AT) for number in range(LANES)]
        for lane in lanes:
            lane.draw_up_to(2, trades=1_000)
        served = [{capture.portfolio for capture in captures(lane)} for lane in lanes]
        names = Counter(capture.external_id for lane in lanes for capture in captures(lane))
        keys = Counter(batch.key for lane in lanes for batch in lane.drawn)

        assert sorted(name for each in served for name in each) == sorted(PORTFOLIOS)
        assert max(names.values()) == max(keys.values()) == 1

    def test_keeps_what_was_not_sent(self) -> None:
        """Drawing more for the next run leaves what is there in its place."""
        lane = Lane(0, of=LANES, began_at=BEGAN_AT)
        lane.draw_up_to(3, trades=10)
        left = list(lane.drawn)

        lane.draw_up_to(5, trades=10)

        assert list(lane.drawn)[:3] == left
        assert len(lane.drawn) == 5

    def test_is_mostly_in_order(self) -> None:
        """Only a few are told late, and some are proposals."""
        lane = Lane(0, of=LANES, began_at=BEGAN_AT)
        lane.draw_up_to(10, trades=500)
        found = captures(lane)
        times = [capture.executed_at for capture in found]
        intents = Counter(capture.intent for capture in found)

        late = sum(b < a for a, b in pairwise(times) if a and b)
        assert 0 < late < len(found) * 0.02
        assert 0 < intents[Intent.PROPOSED] < len(found) * 0.05


class TestTicks:
    """What the exchange sends."""

    def test_mark_every_instrument(self) -> None:
        """At the moment given."""
        body = msgspec.json.decode(Ticks().body(BEGAN_AT), type=MarksBody)

        command = marks_command(body, "exchange")

        assert command.at == BEGAN_AT
        assert [mark.instrument for mark in command.marks] == list(INSTRUMENTS)
