"""Two real write processes on one log: the laws of one process hold for both together.

32 clients tell trades of ten portfolios to either process, most of them to both; the log is then
held against what they were answered, and what a process loads anew against the sum of it.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import httpx
import pytest

from benchmarks.flood.system import INSTRUMENTS, PORTFOLIOS, Writers, open_market, write_processes
from commands.snapshots import Snapshots
from commands.world import World
from domain.identity import MARKET_TENANT, portfolio_stream
from domain.instrument import InstrumentSuspended
from domain.trade import Intent, TradeCaptured
from eventstore.log import Log
from gateway.access import Role
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.database import Database
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode
from tests.conftest import reachable_directory

TENANT = "acme"
CLIENTS = 32
TRADES = 15
PRICE = 10
SHORT_OF_CASH = "portfolio-short"
SHARES_PAID_FOR = 40
SUSPENDED = INSTRUMENTS[0]
OTHERS = INSTRUMENTS[1:4]
PATIENCE_SECONDS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Told(NamedTuple):
    """One answer: which trade, by which process, and what."""

    external_id: str
    writer: int
    status: int
    document: dict[str, Any]


class Aftermath(NamedTuple):
    """What is left when everybody is done."""

    answers: list[Told]
    trades: dict[str, dict[str, Any]]
    database: Database
    suspended: dict[str, Any]


def trade(draw: random.Random, external_id: str) -> dict[str, Any]:
    """A proposed purchase or an executed one; every fourth in the portfolio that is short."""
    is_short = draw.random() < 0.25
    instrument = SUSPENDED if draw.random() < 0.4 and not is_short else draw.choice(OTHERS)
    return {
        "portfolio": SHORT_OF_CASH if is_short else draw.choice(PORTFOLIOS[:9]),
        "external_id": external_id,
        "intent": "proposed" if is_short or draw.random() < 0.7 else "executed",
        "instrument": instrument,
        "side": "buy",
        "quantity": str(1 + draw.randrange(3)),
        "price": str(PRICE),
        "currency": "USD",
        "executed_at": now().isoformat(),
    }


def call(writers: Writers, client: int, half_way: threading.Barrier) -> list[Told]:
    """Tell a client's trades: its own to one process, those it shares with another to both.

    Two clients tell each shared trade, each to another process, at about the same time.
    """
    own, told = client % 2, []
    caller = writers.caller(TENANT, Role.ADMIN, writer=own, source="desk")
    for number in range(TRADES):
        if number == TRADES // 2:
            half_way.wait(PATIENCE_SECONDS)
        name = f"pair{client // 2}-{number}"
        body = trade(random.Random(name), name)
        body["executed_at"] = f"2024-01-08T12:{number:02}:00Z"  # both tell the same
        reply = caller.command("/v1/trades", body, key=f"{name}-by-{client}")
        told.append(Told(name, own, reply.status, reply.document))
    return told


@pytest.fixture(scope="module")
def outcome(new_log_database: Any) -> Iterator[Aftermath]:  # noqa: ANN401 - a fixture's factory
    """Thirty-two clients, two processes, ten portfolios, and a suspension in the middle."""
    database: Database = new_log_database()
    directory = reachable_directory()
    try:
        with write_processes(DataDirectory(directory), database, 2) as writers:
            open_market(writers, (TENANT,))
            open_short(writers)
            half_way = threading.Barrier(CLIENTS + 1)
            with ThreadPoolExecutor(CLIENTS) as pool:
                sent = [pool.submit(call, writers, each, half_way) for each in range(CLIENTS)]
                half_way.wait(PATIENCE_SECONDS)
                exchange = writers.caller(
                    MARKET_TENANT, Role.MARKET_DATA, writer=1, source="exchange"
                )
                suspended = exchange.command(
                    f"/v1/instruments/{SUSPENDED}/suspensions",
                    {"from_at": "2024-01-01T00:00:00Z", "reason": "pending_news"},
                    key="suspend",
                )
                assert suspended.is_accepted, suspended.told()
                answers = [each for future in sent for each in future.result(PATIENCE_SECONDS)]
            names = {each.external_id for each in answers}
            trades = {name: trade(random.Random(name), name) for name in names}
            yield Aftermath(answers, trades, database, suspended.document)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def open_short(writers: Writers) -> None:
    """Open the portfolio whose cash is fought for."""
    operator = writers.caller(TENANT, Role.PORTFOLIO_MANAGER)
    opening = {"portfolio": SHORT_OF_CASH, "base_currency": "USD", "calendar": "24/7"}
    assert operator.command("/v1/portfolios", opening, key="open-short").is_accepted
    cash = {
        "amount": str(SHARES_PAID_FOR * PRICE), "currency": "USD", "value_date": "2024-01-02",
    }  # fmt: skip
    path = f"/v1/portfolios/{SHORT_OF_CASH}/deposits"
    assert operator.command(path, cash, key="cash-short").is_accepted


def log_of(database: Database) -> Log:
    """The log, to be read."""
    return Log(database.app_conninfo, clock=now, build="test", pool_size=2)


class TestTwoWriteProcesses:
    """No duplicate, no lost update, no livelock."""

    def test_answer_everybody(self, outcome: Aftermath) -> None:
        """Accepted or refused by a rule: nothing else, and both processes decided."""
        statuses = Counter((each.writer, each.status) for each in outcome.answers)

        assert len(outcome.answers) == CLIENTS * TRADES
        assert {status for _, status in statuses} <= {201, 422}
        assert all(statuses[writer, 201] > 0 for writer in (0, 1))

    def test_book_what_was_told_to_both_once(self, outcome: Aftermath) -> None:
        """One is the first acceptance, the other is told it again; both name one position."""
        with log_of(outcome.database) as log:
            counted = Counter(each.capture.external_id for _, each in captures(log))
        answers: defaultdict[str, list[Told]] = defaultdict(list)
        for each in outcome.answers:
            if each.status == httpx.codes.CREATED:
                answers[each.external_id].append(each)

        assert set(counted.values()) == {1}
        assert set(counted) == set(answers)
        pairs = [each for each in answers.values() if len(each) == 2]
        assert pairs
        for one, other in pairs:
            assert one.document["position"] == other.document["position"]
            assert sorted((one.document["replayed"], other.document["replayed"])) == [False, True]

    def test_spend_cash_once(self, outcome: Aftermath) -> None:
        """What both wanted of one portfolio's cash is never more than there was."""
        with log_of(outcome.database) as log:
            spent = sum(
                each.capture.quantity * each.capture.price
                for _, each in captures(log)
                if each.capture.portfolio == SHORT_OF_CASH
            )
        refused = [each for each in outcome.answers if each.status != httpx.codes.CREATED]

        assert 0 < spent <= SHARES_PAID_FOR * PRICE
        assert any(
            breach["rule"] == "insufficient_cash"
            for each in refused
            for breach in each.document.get("breaches", ())
        )

    def test_load_what_was_answered(self, outcome: Aftermath) -> None:
        """A third process folds the log: quantities and cash are the sum of what was booked."""
        quantities: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        with log_of(outcome.database) as log:
            for _, each in captures(log):
                capture = each.capture
                quantities[capture.portfolio, capture.instrument] += capture.quantity
            snapshots = Snapshots(log)
            world = World.load(log, snapshots)
            for portfolio in (*PORTFOLIOS[:9], SHORT_OF_CASH):
                held = world.portfolio(portfolio_stream(TENANT, portfolio), log)
                assert held is not None
                booked = {
                    name: held.book(name).quantity
                    for name in (SUSPENDED, *OTHERS)
                    if held.book(name).quantity
                }
                expected = {
                    name: quantity for (of, name), quantity in quantities.items() if of == portfolio
                }
                assert booked == expected
            snapshots.close()

    def test_take_no_proposed_trade_after_a_suspension(self, outcome: Aftermath) -> None:
        """Acknowledged by one process, no later position of the other holds one."""
        suspended = outcome.suspended["position"]
        with log_of(outcome.database) as log:
            told = [
                (position, each.capture.intent)
                for position, each in captures(log)
                if each.capture.instrument == SUSPENDED
            ]
            names = [each.event_type for each in log.read(suspended - 1, 1)]

        assert names == [EVENT_NAMES[InstrumentSuspended]]
        assert any(position < suspended and intent is Intent.PROPOSED for position, intent in told)
        assert any(position > suspended and intent is Intent.EXECUTED for position, intent in told)
        assert not any(
            position > suspended and intent is Intent.PROPOSED for position, intent in told
        )


def captures(log: Log) -> list[tuple[int, TradeCaptured]]:
    """Every capture in the log, and where it stands."""
    name = EVENT_NAMES[TradeCaptured]
    found: list[tuple[int, TradeCaptured]] = []
    after = 0
    while events := log.read(after, 10_000):
        for each in events:
            if each.event_type == name:
                event = decode(name, each.data)
                assert isinstance(event, TradeCaptured)
                found.append((each.position, event))
        after = events[-1].position
    return found
