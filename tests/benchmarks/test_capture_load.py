"""The load of `pms bench capture`: understood, and nothing is sold that is not held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capture.load import HOT, Lane, Load, Request, portfolio_names
from benchmarks.capture.sending import Doors, Phase, lanes_of
from domain.trade import Capture, Intent
from write_api.bodies import TradeBody, trade_command

BEGAN_AT = datetime(2024, 3, 4, 9, 30, tzinfo=UTC)
LANE = Lane("token", portfolio_names(3), range(5))
DOORS = Doors("127.0.0.1", 1, ("one", "other"), 40, BEGAN_AT)


def captures(request: Request) -> list[Capture]:
    """What the command side makes of a request."""
    head, _, body = request.content.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    bodies = msgspec.json.decode(body if body.startswith(b"[") else b"[" + body + b"]")
    return [trade_command(msgspec.convert(each, TradeBody), "benchmark").capture for each in bodies]


def held_after(requests: Sequence[Request]) -> dict[tuple[str, str], Decimal]:
    """Follow what is held, which never falls below zero."""
    held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for request in requests:
        for capture in captures(request):
            sign = 1 if capture.side == "buy" else -1
            held[capture.portfolio, capture.instrument] += sign * capture.quantity
            assert held[capture.portfolio, capture.instrument] >= 0
    return dict(held)


class TestDrawing:
    """What one lane sends."""

    @given(st.lists(st.integers(1, 50), min_size=1, max_size=10), st.integers(0, 9))
    def test_sells_only_what_is_held(self, sizes: list[int], unsent: int) -> None:
        """Also where the end of one phase was not sent and another is drawn behind it."""
        load = Load(began_at=BEGAN_AT)
        first = [load.batch(LANE, size) for size in sizes]
        sent = first[: max(len(first) - unsent, 0)]
        load.undo(first[len(sent) :])

        second = [load.single(LANE) for _ in range(50)]

        held_after([*sent, *second])

    def test_proposes_in_order_of_business_time(self) -> None:
        """Every rule applies to all, and each is the newest of its book."""
        load = Load(began_at=BEGAN_AT)
        found = captures(load.batch(LANE, 200))
        times = [capture.executed_at for capture in found if capture.executed_at is not None]

        assert {capture.intent for capture in found} == {Intent.PROPOSED}
        assert times == sorted(times)
        assert len(set(times)) == 200
        assert max(Counter(capture.external_id for capture in found).values()) == 1
        assert {capture.side for capture in found} == {"buy", "sell"}


class TestSharingOut:
    """Who sends for what."""

    @given(clients=st.integers(0, 8), senders=st.integers(0, 8))
    @pytest.mark.parametrize("is_hot", [True, False])
    def test_gives_no_place_to_two(self, *, clients: int, senders: int, is_hot: bool) -> None:
        """Portfolios are apart, and of the hot one the instruments are."""
        phase = Phase(1.0, clients=clients, senders=max(senders, 1), is_hot=is_hot)

        singles, batches = lanes_of(phase, DOORS)

        places = Counter(
            (portfolio, instrument)
            for lane in (*singles, *batches)
            for portfolio in lane.portfolios
            for instrument in lane.instruments
        )
        assert max(places.values()) == 1
        assert all(lane.portfolios for lane in (*singles, *batches))
        assert not is_hot or {lane.portfolios for lane in batches} == {(HOT,)}
