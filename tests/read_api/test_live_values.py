"""Values that are followed are those that are asked anew, whatever happens to what is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from domain.identity import MARKET_TENANT
from infra.database import Database
from projections.asking import Readable, Seen
from projections.reading import Reading, Sitting
from read_api.live.changes import written
from read_api.live.destinations import Row, Told, Topic
from read_api.live.registry import values
from read_api.live.values import ValuesFollowed
from tests.gateway.serving import new_tenant
from tests.read_api.conftest import NewTeller, Teller

CALENDAR = "XSES"
MARKED, TRADED, CHILD = "VALM", "VALT", "VALC"
PORTFOLIOS = ("growth", "income")
RESUMED_BEHIND = 40


@pytest.fixture(scope="module")
def reading(database: Database) -> Iterator[Reading]:
    """A pool of connections to the read models."""
    with Reading(database.app_conninfo) as opened:
        yield opened


@pytest.fixture(scope="module")
def market(teller: NewTeller) -> Teller:
    """Three instruments of a calendar that no other test closes."""
    told = teller("market_data", tenant=MARKET_TENANT)
    for name in (MARKED, TRADED, CHILD):
        told.tell(
            "/v1/instruments",
            instrument=name,
            symbol=f'{name} "quoted" é',
            currency="USD",
            asset_class="equity",
            calendar=CALENDAR,
        )
    return told


class Followed:
    """A follower's memory, and the state that its answers make."""

    def __init__(self, reading: Reading, tenant: str) -> None:
        self._reading = reading
        self._topics = [Topic(tenant, (name,)) for name in PORTFOLIOS]
        self._follower = ValuesFollowed()
        self._state: dict[tuple[Topic, str], Any] = {}
        self._position = -1

    def follow(self, *, forget: bool) -> int:
        """Ask behind the last answer, which leads to what is asked anew; count what was told.

        To `forget` one topic, ask of the other alone, and behind an earlier answer, before that.
        """
        if forget:
            self._ask(self._topics[:1], self._position - RESUMED_BEHIND)
        told = self._ask(self._topics, self._position)
        self._fold(told)
        anew = self._reading.answer(lambda readable: values(readable, self._topics))
        assert anew.position == told.position
        assert self._state == {(row.topic, row.key): _written(row) for row in anew.rows}
        self._position = told.position
        return len(told.rows)

    def _ask(self, topics: list[Topic], after: int) -> Told:
        seen: Seen = {}

        def question(readable: Readable) -> Told:
            return self._follower(readable, topics, after)

        return self._reading.answer(question, sitting=Sitting(seen))

    def _fold(self, told: Told) -> None:
        for row in told.rows:
            assert row.changed_position > self._position
            if row.value is None:
                self._state.pop((row.topic, row.key), None)
            else:
                self._state[row.topic, row.key] = _written(row)


def _written(row: Row) -> Any:  # noqa: ANN401
    return msgspec.json.decode(written(row.value).encode())


class TestValuesFollowed:
    """Told against the question that remembers nothing."""

    def test_are_what_is_asked_anew(
        self, reading: Reading, teller: NewTeller, market: Teller
    ) -> None:
        """Buys, marks, a new name, a sector, a suspension, a split, a spin-off, a sale, a bust."""
        owner = teller(tenant=(tenant := new_tenant()))
        for name in PORTFOLIOS:
            told = owner.tell("/v1/portfolios", portfolio=name, base_currency="USD")
        _level(owner, told["position"])
        followed = Followed(reading, tenant)
        assert followed.follow(forget=False) == 0
        calendar = {"calendar": CALENDAR}
        instrument, child = f"/v1/instruments/{MARKED}", f"/v1/instruments/{CHILD}"
        spin_off: dict[str, object] = {"child": CHILD, "new": 1, "old": 2, "cost_share": "0.25"}
        busted = {"portfolio": "income", "reason": "error"}
        day = {"from_date": "2024-01-02"}
        deeds: list[Callable[[], dict[str, Any]]] = [
            lambda: owner.trade("buy", "7", "100.5", instrument=MARKED),
            lambda: owner.trade("buy", "3", "9", instrument=TRADED, fee="0.3"),
            lambda: owner.trade(
                "buy", "5", "101", instrument=MARKED, portfolio="income", external_id="to-bust"
            ),
            lambda: _mark(market, {MARKED: "111.125", CHILD: "1"}),
            lambda: owner.trade("sell", "2", "100", instrument=MARKED),
            lambda: market.tell(f"{instrument}/symbols", symbol="RENAMED", **day),
            lambda: market.tell(f"{instrument}/sectors", sector="Energy", **day),
            lambda: market.tell(
                f"{instrument}/suspensions", from_at="2024-01-04T16:00:00Z", reason="news"
            ),
            lambda: market.tell(
                "/v1/sessions", session="2024-01-04", starts_at="2024-01-04T08:00:00Z",
                ends_at="2024-01-04T17:00:00Z", **calendar,
            ),
            lambda: market.tell(f"{instrument}/resumptions", from_at="2024-01-04T17:30:00Z"),
            lambda: owner.trade("buy", "4", "2", instrument=CHILD, trade_date="2024-01-04"),
            lambda: _mark(market, {MARKED: "90", CHILD: "2.5"}),
            lambda: market.tell(
                f"{child}/splits", action="split", ex_date="2024-01-05", new=3, old=1
            ),
            lambda: market.tell(
                f"{instrument}/spin-offs", action="spin", ex_date="2024-01-05", **spin_off
            ),
            lambda: market.tell(
                "/v1/sessions", session="2024-01-05", starts_at="2024-01-05T08:00:00Z",
                ends_at="2024-01-05T17:00:00Z", **calendar,
            ),
            lambda: owner.trade("sell", "3", "8", instrument=TRADED, trade_date="2024-01-05"),
            lambda: _mark(market, {MARKED: "80.01"}, day=6),
            lambda: owner.tell("/v1/trades/desk-1/to-bust/busts", **busted),
        ]  # fmt: skip
        told_rows = 0
        for number, deed in enumerate(deeds):
            _level(owner, deed()["position"])
            told_rows += followed.follow(forget=number % 3 == 0)
        assert told_rows > len(deeds)


def _mark(market: Teller, prices: dict[str, str], day: int = 4) -> dict[str, Any]:
    marks = [{"instrument": name, "price": price} for name, price in prices.items()]
    return market.tell("/v1/marks", at=f"2024-01-{day:02}T15:00:00Z", marks=marks)


def _level(owner: Teller, position: int) -> None:
    """Wait until the read model has folded what was told."""
    owner.ask("/v1/portfolios/growth/positions", min_position=position, wait_seconds=20)
