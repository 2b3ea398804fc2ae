"""Somebody outside reads the topics: one library, the registry, and no code of ours."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer

from domain.lots import CostBasis
from eventstore.kafka.progress import read_progress
from eventstore.kafka.relay import Relay
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.database import Database
from projections.asking import Readable
from projections.building import Building, connect, ignore_progress
from projections.cash.model import Cash
from projections.cash.queries import balances_of
from projections.positions.model import Positions
from projections.positions.queries import PriceSource, portfolios_of, positions_of
from tests.conftest import KafkaSpace
from tests.infra.up import wait_until
from tests.kafka.stranger import read_to_end
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story, opening

STRANGER = Path(__file__).with_name("stranger.py")
# Without `site`, no path leads to this repository: only the installed libraries are found.
ALONE = ("-I", "-S", "-c")
RUN = "import sys, runpy; sys.path.append(sys.argv.pop(1)); path = sys.argv[1]; del sys.argv[0]; "
RUN_STRANGER = "runpy.run_path(path, run_name='__main__')"
PORTFOLIOS = [(tenant, f"fund-{number}") for tenant in (ACME, GLOBEX) for number in range(4)]
DAY_TWO = DAY_ONE + timedelta(days=1)
SECONDS_MAX = 60


def told() -> Story:
    """Some days of several portfolios: late trades, shorts, corrected closes, two currencies."""
    story = Story()
    story.register("AAPL", "TSLA", "MSFT", "NONE")
    for number, (tenant, portfolio) in enumerate(PORTFOLIOS):
        basis = CostBasis.AVERAGE if number % 2 else CostBasis.FIFO
        story.open(portfolio, tenant=tenant, basis=basis)
        story.deposit(portfolio, "100000.50", tenant=tenant)
        story.deposit(portfolio, "7.25", tenant=tenant, currency="EUR")
        for turn in range(4):
            quantity = str(10 * (turn + 1) - 25 * (number % 3))
            day = DAY_TWO if turn < 2 else DAY_ONE
            story.trade(portfolio, "AAPL", quantity, "10.125", tenant=tenant, fee="0.3", day=day)
            story.trade(portfolio, "TSLA", f"{turn + 1}.5", "7", tenant=tenant, day=day)
        story.trade(portfolio, "MSFT", "3", "20", tenant=tenant)
        story.trade(portfolio, "MSFT", "-3", "21", tenant=tenant)
        story.refuse(portfolio, "AAPL", tenant=tenant)
    story.mark(opening(DAY_ONE), AAPL="11", TSLA="7.5", MSFT="1")
    story.close(DAY_ONE, AAPL="12.25", TSLA="9999")
    story.mark(opening(DAY_ONE), AAPL="13")
    story.correct(DAY_ONE, "TSLA", "7.75")
    story.mark(opening(DAY_TWO), MSFT="22")
    story.close(DAY_TWO, AAPL="0.01")
    story.correct(DAY_TWO, "AAPL", None)
    story.withdraw(PORTFOLIOS[0][1], "0.75", tenant=PORTFOLIOS[0][0])
    story.trade(PORTFOLIOS[1][1], "NONE", "5", "4", tenant=PORTFOLIOS[1][0])
    return story


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """A log that holds what was told."""
    moment = datetime(2024, 3, 8, 12, tzinfo=UTC)
    with Log(log_database.app_conninfo, clock=lambda: moment, build="test") as made:
        told().append_to(made, together=7)
        yield made


@pytest.fixture
def topics(log: Log, log_database: Database, kafka: KafkaSpace, registry: str) -> Topics:
    """Topics that hold the whole log."""
    made = Topics(kafka.prefix, partitions=3)
    relay = Relay(log_database.app_conninfo, made, bootstrap=kafka.bootstrap, registry_url=registry)
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    head = log.head().position

    def is_relayed() -> bool:
        assert thread.is_alive(), "the relay ended"
        with connect(log_database.app_conninfo, application_name="test") as connection:
            try:
                progress = read_progress(connection, made)
            except psycopg.errors.Error:  # its table is not there yet
                return False
        return progress is not None and progress.position >= head

    thread.start()
    try:
        wait_until(is_relayed)
    finally:
        stop.set()
        thread.join()
    return made


def run_alone(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python that can import the installed libraries and nothing of this repository."""
    libraries = sysconfig.get_path("purelib")
    return subprocess.run(
        [sys.executable, *ALONE, RUN + code, libraries, *arguments],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


def asked(log: Log, database: Database) -> dict[str, Any]:
    """What our own queries say of every portfolio, in the stranger's form."""
    answers: dict[str, Any] = {}
    with connect(database.app_conninfo, application_name="test") as connection:
        building = Building([Positions(), Cash()], log, connection, suffix="")
        with building:
            building.fold_until(log.head().position, ignore_progress)
            for tenant in (ACME, GLOBEX):
                for row in portfolios_of(Readable(connection), tenant=tenant).rows:
                    found = _in_their_form(Readable(connection), tenant, row.portfolio)
                    answers[f"{tenant}/{row.portfolio}"] = found
    return answers


def _in_their_form(readable: Readable, tenant: str, portfolio: str) -> dict[str, Any]:
    balances = balances_of(readable, tenant=tenant, portfolio=portfolio).rows
    cash = {row.currency: row.balance for row in balances}
    worth: dict[str, Decimal | None] = dict(cash)
    positions = {}
    for row in positions_of(readable, tenant=tenant, portfolio=portfolio).rows:
        is_marked = row.price_source is PriceSource.MARK
        price, value = (row.price, row.market_value) if is_marked else (None, None)
        positions[row.instrument] = {"quantity": row.quantity, "price": price, "value": value}
        known = worth[row.currency]
        worth[row.currency] = None if known is None or value is None else known + value
    return {"cash": cash, "positions": positions, "worth": worth}


def numbers(found: dict[str, Any]) -> dict[str, Any]:
    """Read the amounts of a stranger's answer."""
    return {
        name: numbers(value) if isinstance(value, dict) else value and Decimal(value)
        for name, value in found.items()
    }


def priced_alone(kafka: KafkaSpace, registry: str, topic: str) -> dict[str, Any]:
    """Let the stranger price everything."""
    run = run_alone(RUN_STRANGER, str(STRANGER), kafka.bootstrap, registry, topic)
    assert run.returncode == 0, run.stderr
    return numbers(json.loads(run.stdout))


def send(kafka: KafkaSpace, topic: str, *records: tuple[int, dict[str, str], bytes]) -> None:
    """Send records as they are, each to its partition."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for partition, headers, value in records:
        encoded: list[tuple[str, str | bytes | None]] = [*headers.items()]
        producer.produce(topic, value, partition=partition, headers=encoded)
    assert producer.flush(SECONDS_MAX) == 0


class TestAStranger:
    """Everything that prices a portfolio is in its partition."""

    def test_prices_every_portfolio_as_we_do(
        self, log: Log, log_database: Database, topics: Topics, kafka: KafkaSpace, registry: str
    ) -> None:
        """Cash, positions, marks in force and their sum, exactly."""
        found = priced_alone(kafka, registry, topics.portfolios)

        assert found == asked(log, log_database)
        assert found.keys() == {f"{tenant}/{portfolio}" for tenant, portfolio in PORTFOLIOS}
        fund = found[f"{ACME}/fund-0"]
        assert fund["positions"]["AAPL"]["price"] == Decimal("12.25")
        assert fund["positions"]["TSLA"]["price"] == Decimal("7.75")
        assert fund["worth"]["EUR"] == Decimal("7.25")
        assert found[f"{ACME}/fund-1"]["worth"]["USD"] is None

    def test_is_misled_by_no_repeat_and_by_no_gap(
        self, log: Log, log_database: Database, topics: Topics, kafka: KafkaSpace, registry: str
    ) -> None:
        """Everything comes once more, as after a change of leader; then a record is missing."""
        records = list(read_to_end(kafka.bootstrap, topics.portfolios))
        send(kafka, topics.portfolios, *records)

        found = priced_alone(kafka, registry, topics.portfolios)

        assert found == asked(log, log_database)
        partition, headers, value = next(each for each in records if "ce_previous" in each[1])
        head = log.head().position
        beyond = headers | {"ce_position": str(head + 2), "ce_previous": str(head + 1)}
        send(kafka, topics.portfolios, (partition, beyond, value))
        run = run_alone(RUN_STRANGER, str(STRANGER), kafka.bootstrap, registry, topics.portfolios)
        assert f"GapFound: {head + 1} is missing before {head + 2}" in run.stderr

    def test_has_nothing_of_ours_to_import(self) -> None:
        """What runs it finds the libraries, and no package of this repository."""
        assert run_alone("import confluent_kafka", "").returncode == 0
        for package in ("domain", "schemas", "eventstore", "infra", "tests"):
            run = run_alone(f"import {package}", "")
            assert "ModuleNotFoundError" in run.stderr
