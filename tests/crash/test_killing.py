"""SIGKILL of the write process and of the projector, ten times in the middle of load.

Four trading systems send trades through HTTP while the processes are killed at random (seeded)
moments and started again by the supervisor. Afterwards: what was answered with success is in the
log exactly once, what was not answered has one truth, and the read models equal a rebuild.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest

from client import Accepted, Client, Terms
from client.market import Instrument
from client.portfolios import Portfolio
from client.trades import Trade
from domain.identity import MARKET_TENANT
from domain.trade import TradeCaptured
from eventstore.log import Log
from gateway.access import Role
from infra.clock import now
from infra.read_models import READ_MODELS
from projections.verification import verify
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode
from tests.crash.load import PORTFOLIO, Sender, Sent, impatient, impatient_batches, patient, trade
from tests.whole.system import WholeSystem, whole_system

SEED = 20_260
SENDERS = ("singles-1", "singles-2", "batches", "patient")
VICTIMS = ("write", "projector") * 5
LOAD_SECONDS = (0.05, 0.5)
WORK_SECONDS = (0.0, 0.08)
PATIENCE_SECONDS = 60.0
RESENT = 25
TENANT = "acme"
SENDING = (Role.EXECUTION, Role.PORTFOLIO_MANAGER, Role.AUDITOR)

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]


class Aftermath(NamedTuple):
    """What is left when everything is quiet again: what was sent, and captures by name."""

    system: WholeSystem
    sent: list[Sent]
    patiently_sent: list[Sent]
    captured: Counter[str]
    positions: dict[str, int]
    head: int


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Aftermath]:
    """The system after ten kills, level again."""
    with whole_system() as system, ExitStack() as opened:
        prepare(system)
        stop = threading.Event()
        senders = start_senders(system, opened, stop)
        try:
            kill_all(system, senders[SENDERS.index("batches")])
        finally:
            stop.set()
            for sender in senders:
                sender.thread.join(timeout=PATIENCE_SECONDS)
        for sender in senders:
            assert sender.failure is None, sender.failure
            assert sender.sent, "every sender sent something"
        wait_until_ready(system, "write")
        wait_until_ready(system, "projector")
        captured, positions, head = captures(system)
        *impatiently, patiently = senders
        sent = [each for sender in impatiently for each in sender.sent]
        yield Aftermath(system, sent, patiently.sent, captured, positions, head)


def prepare(system: WholeSystem) -> None:
    """Register an instrument for each sender and open a portfolio."""
    exchange = system.writer(MARKET_TENANT, Role.MARKET_DATA)
    for name in SENDERS:
        instrument = Instrument(
            instrument=name, symbol=name, currency="USD", asset_class="equity", calendar="XNYS"
        )
        exchange.send(instrument, key=name).require()
    operator = system.writer(TENANT, Role.PORTFOLIO_MANAGER)
    operator.send(Portfolio(portfolio=PORTFOLIO, base_currency="USD"), key="open").require()


def start_senders(system: WholeSystem, opened: ExitStack, stop: threading.Event) -> list[Sender]:
    """Start two senders of single trades, one of batches, and a patient one last."""

    def client(source: str) -> httpx.Client:
        token = system.token(TENANT, *SENDING, source=source)
        made = httpx.Client(
            base_url=system.running.write_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
        )
        return opened.enter_context(made)

    return [
        Sender("singles-1", stop, impatient(client("singles-1"), TENANT, "singles-1")),
        Sender("singles-2", stop, impatient(client("singles-2"), TENANT, "singles-2")),
        Sender("batches", stop, impatient_batches(client("batches"), TENANT, "batches")),
        Sender(
            "patient",
            stop,
            patient(Client(client("patient"), terms=Terms(60)), TENANT, "patient"),
        ),
    ]


def kill_all(system: WholeSystem, batches: Sender) -> None:
    """Kill each victim in its turn, at a random moment of load after it has come back.

    The last part of the wait begins when a batch has been answered: that is when the projector
    folds it and the write process decides the next, so a kill meets work and not a pause.
    """
    drawn = random.Random(SEED)
    for victim in VICTIMS:
        wait_until_ready(system, victim)
        time.sleep(drawn.uniform(*LOAD_SECONDS))
        wait_for_more(batches)
        time.sleep(drawn.uniform(*WORK_SECONDS))
        kill(system, victim)


def wait_for_more(sender: Sender) -> None:
    """Wait until a sender has had another answer."""
    answered = len(sender.sent)
    wait_until(lambda: len(sender.sent) > answered, every_seconds=0.001)


def kill(system: WholeSystem, victim: str) -> None:
    """Kill one process and wait until the supervisor has started another in its place."""
    supervisor = system.running.supervisor
    process_id = supervisor.process_ids[victim]
    os.kill(process_id, signal.SIGKILL)
    wait_until(lambda: supervisor.process_ids.get(victim, process_id) != process_id)


def wait_until_ready(system: WholeSystem, process: str) -> None:
    """Wait until a process says that it can do its work."""
    running = system.running
    addresses = {
        "write": running.write_url,
        "projector": running.settings.projector_url,
        "read": running.read_url,
    }

    def is_ready() -> bool:
        try:
            return probe.get("/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    with httpx.Client(base_url=addresses[process], timeout=5, trust_env=False) as probe:
        wait_until(is_ready)


def wait_until(is_true: Callable[[], bool], *, every_seconds: float = 0.02) -> None:
    """Look again and again until something is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(every_seconds)


def captures(system: WholeSystem) -> tuple[Counter[str], dict[str, int], int]:
    """Read the whole log: how often each trade was captured, and where its command ended."""
    counted: Counter[str] = Counter()
    positions: dict[str, int] = {}
    name = EVENT_NAMES[TradeCaptured]
    after = 0
    with Log(system.running.database.app_conninfo, clock=now, build="test") as log:
        while events := log.read(after, 10_000):
            for recorded in events:
                if recorded.event_type == name:
                    event = decode(name, recorded.data)
                    assert isinstance(event, TradeCaptured)
                    counted[event.capture.external_id] += 1
                positions[str(recorded.command_id)] = recorded.position
            after = events[-1].position
    return counted, positions, after


class TestAfterTenKills:
    """Nothing is lost, nothing is there twice, and everybody agrees."""

    def test_every_success_is_in_the_log_once(self, aftermath: Aftermath) -> None:
        """And where its answer said it is."""
        accepted = [each for each in aftermath.sent if each.outcome == "accepted"]

        assert len(accepted) > len(VICTIMS)
        assert {each.outcome for each in aftermath.sent} == {"accepted", None}
        for each in accepted:
            assert aftermath.captured[each.external_id] == 1, each
            assert aftermath.positions[each.command] == each.position, each

    def test_the_patient_lost_nothing(self, aftermath: Aftermath) -> None:
        """Who sends again under the same key gets everything accepted, each trade once."""
        outcomes = Counter(each.outcome for each in aftermath.patiently_sent)

        assert set(outcomes) <= {"accepted", "replayed"}
        assert all(aftermath.captured[each.external_id] == 1 for each in aftermath.patiently_sent)

    def test_nothing_is_in_the_log_twice(self, aftermath: Aftermath) -> None:
        """No trade of any sender, and none that nobody sent."""
        sent = {each.external_id for each in (*aftermath.sent, *aftermath.patiently_sent)}

        assert set(aftermath.captured.values()) == {1}
        assert set(aftermath.captured) <= sent

    def test_the_unanswered_have_one_truth(self, aftermath: Aftermath) -> None:
        """Accepted if and only if it is in the log, and sending it again changes no truth."""
        asker = aftermath.system.writer(TENANT, *SENDING)
        unanswered = [each for each in aftermath.sent if each.outcome is None]
        assert unanswered, "some kill must have met a request"

        truths = {each: asker.outcome(UUID(each.command)) for each in unanswered}

        for each, truth in truths.items():
            is_captured = each.external_id in aftermath.captured
            assert isinstance(truth, Accepted) if is_captured else truth is None

    def test_positions_are_what_the_log_says(self, aftermath: Aftermath) -> None:
        """One share for each trade captured."""
        reader = aftermath.system.reader(TENANT)
        path = f"/v1/portfolios/{PORTFOLIO}/positions"

        held = reader.items(path, min_position=aftermath.head)

        shares = {each["instrument"]: int(each["quantity"]) for each in held}
        assert shares == {
            sender: sum(1 for name in aftermath.captured if name.startswith(f"{sender}-"))
            for sender in SENDERS
        }

    def test_read_models_equal_a_rebuild(self, aftermath: Aftermath) -> None:
        """The whole verification finds no difference."""
        conninfo = aftermath.system.running.database.app_conninfo
        with Log(conninfo, clock=now, build="test") as log:
            report = verify(log, conninfo, READ_MODELS)

        assert report.ok, report.difference

    def test_sending_the_unanswered_again_settles_them(self, aftermath: Aftermath) -> None:
        """The last of all, because it writes: what was there is replayed, the rest accepted."""
        singles = [
            each
            for each in aftermath.sent
            if each.outcome is None and each.source.startswith("singles")
        ]
        for each in singles[:RESENT]:
            writer = aftermath.system.writer(TENANT, *SENDING, source=each.source)
            body = trade(each.source, each.external_id, each.executed_at)
            answer = writer.send(Trade(**body), key=each.external_id).require()
            assert answer.replayed is (each.external_id in aftermath.captured)

        counted, _, _ = captures(aftermath.system)
        assert set(counted.values()) == {1}
        assert all(counted[each.external_id] == 1 for each in singles[:RESENT])
