"""Whatever is lost, every trade is booked exactly once, and the final answer is the log's truth."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import (
    Accepted,
    AsyncClient,
    CallFailed,
    Client,
    ItemAnswer,
    Malformed,
    NotAttempted,
    NothingAttempted,
    OutcomeUnknown,
    Rejected,
    Terms,
)
from client.carrying import bearer
from client.trades import Trade
from domain.trade import TradeCaptured, TradeRefused
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode
from tests.client.conftest import WriteSide
from tests.client.conversing import Clock, trade
from tests.client.losing import AsyncLine, Fate, Line

FINE, REFUSED, MALFORMED = "fine", "refused", "malformed"
ANSWERED: dict[str, type[ItemAnswer]] = {
    FINE: Accepted,
    REFUSED: Rejected,
    MALFORMED: Malformed,
}
LONG = 10_000.0
_NUMBERS = itertools.count(1)
_NAMES = {EVENT_NAMES[kind]: kind for kind in (TradeCaptured, TradeRefused)}

KINDS = st.lists(st.sampled_from([FINE, FINE, REFUSED, MALFORMED]), min_size=1, max_size=5)
ATOMIC_KINDS = st.lists(st.sampled_from([FINE, FINE, FINE, REFUSED]), min_size=1, max_size=4)


class Sending(NamedTuple):
    """What is sent in one call: trades of some kinds, singly, in a stream, or all or none."""

    way: str
    kinds: Sequence[str]


SENDINGS = st.one_of(
    st.builds(Sending, st.just("single"), KINDS.map(lambda kinds: kinds[:1])),
    st.builds(Sending, st.just("stream"), KINDS),
    st.builds(Sending, st.just("atomic"), ATOMIC_KINDS),
)
PLANS = st.lists(st.sampled_from(Fate), max_size=10)


class Told(NamedTuple):
    """What a call was given and how it ended; no answers where it raised."""

    sending: Sending
    key: str
    trades: list[Trade]
    answers: list[ItemAnswer] | None
    failure: CallFailed | None


class Truth(NamedTuple):
    """What the log holds: captures and refusals by external id, positions by command."""

    captured: Counter[str]
    refused: Counter[str]
    positions: dict[str, int]


def truth_of(log: Log, after: int) -> Truth:
    """Read what was written behind a position."""
    truth = Truth(Counter(), Counter(), {})
    while events := log.read(after, 10_000):
        for recorded in events:
            truth.positions[str(recorded.command_id)] = recorded.position
            if recorded.event_type in _NAMES:
                event = decode(recorded.event_type, recorded.data)
                assert isinstance(event, TradeCaptured | TradeRefused)
                counted = truth.captured if isinstance(event, TradeCaptured) else truth.refused
                counted[event.capture.external_id] += 1
        after = events[-1].position
    return truth


def drawn_trade(kind: str) -> Trade:
    """Give a trade of a kind, with a name of its own."""
    name = f"loss-{next(_NUMBERS):07}"  # in book order, so that nothing has to be folded again
    match kind:
        case "refused":
            return trade(name, intent="proposed", side="sell", quantity="1e9")
        case "malformed":
            return trade(name, quantity="NaN")
        case _:
            return trade(name, quantity="0.01")


class Talker:
    """Sends over a losing line, in one world or the other."""

    def __init__(self, side: WriteSide, plan: Sequence[Fate], patience: float) -> None:
        self.line = Line(plan)
        self._side = side
        self._clock = Clock()
        self._terms = Terms(patience_seconds=patience, batch_items_max=2)
        self._headers = bearer(side.token)

    def waiting(self, sending: Sending, key: str, trades: list[Trade]) -> list[ItemAnswer]:
        """Send and wait."""

        def wait(seconds: float) -> None:
            self._clock.seconds += seconds

        http = httpx.Client(base_url=self._side.address, headers=self._headers, transport=self.line)
        client = Client(http, terms=self._terms, clock=self._clock, wait=wait)
        match sending.way:
            case "single":
                return [client.send(trades[0], key=key)]
            case "stream":
                return client.send_all(trades, key=key)
            case _:
                return client.send_atomic(trades[:2], key=key)

    def asynchronous(self, sending: Sending, key: str, trades: list[Trade]) -> list[ItemAnswer]:
        """Send in a loop of its own."""

        async def wait(seconds: float) -> None:
            self._clock.seconds += seconds

        async def talked() -> list[ItemAnswer]:
            http = httpx.AsyncClient(
                base_url=self._side.address, headers=self._headers, transport=AsyncLine(self.line)
            )
            client = AsyncClient(http, terms=self._terms, clock=self._clock, wait=wait)
            match sending.way:
                case "single":
                    return [await client.send(trades[0], key=key)]
                case "stream":
                    return await client.send_all(trades, key=key)
                case _:
                    return await client.send_atomic(trades[:2], key=key)

        return asyncio.run(talked())


def tell(talker: Talker, sendings: Sequence[Sending], *, is_async: bool) -> list[Told]:
    """Send everything over a line, note how each call ended, and let what is late arrive."""
    told: list[Told] = []
    for sending in sendings:
        key = f"losses-{next(_NUMBERS)}"
        trades = [drawn_trade(kind) for kind in sending.kinds]
        send = talker.asynchronous if is_async else talker.waiting
        try:
            told.append(Told(sending, key, trades, send(sending, key, trades), None))
        except CallFailed as failure:
            told.append(Told(sending, key, trades, None, failure))
    talker.line.close()
    return told


def expected(sending: Sending) -> list[type[Any]]:
    """Say what the answers must be, whatever is lost on the way."""
    if sending.way != "atomic":
        return [ANSWERED[kind] for kind in sending.kinds]
    kinds = sending.kinds[:2]
    if REFUSED not in kinds:
        return [Accepted] * len(kinds)
    first = kinds.index(REFUSED)
    return [Rejected if index == first else NotAttempted for index in range(len(kinds))]


def assert_true(told: Told, truth: Truth) -> None:
    """Check that the log holds what was told, and that once."""
    assert told.answers is not None
    assert [type(each) for each in told.answers] == expected(told.sending)
    for sent, answer in zip(told.trades, told.answers, strict=False):
        captured, refused = truth.captured[sent.external_id], truth.refused[sent.external_id]
        match answer:
            case Accepted():
                assert (captured, refused) == (1, 0)
                assert truth.positions[str(answer.command_id)] == answer.position
            case Rejected():
                assert (captured, refused) == (0, 1)
                if told.sending.way != "atomic":
                    assert truth.positions[str(answer.command_id)] == answer.position
            case _:
                assert (captured, refused) == (0, 0)


class TestWhateverIsLost:
    """Requests, answers, halves of either, or the order in which they arrive."""

    @settings(max_examples=60)
    @given(sendings=st.lists(SENDINGS, min_size=1, max_size=4), plan=PLANS)
    def test_each_trade_is_booked_once_and_told_as_it_is(
        self, write_side: WriteSide, sendings: list[Sending], plan: list[Fate]
    ) -> None:
        """With patience enough, every call ends with the truth."""
        head = write_side.log.head().position

        told = tell(Talker(write_side, plan, LONG), sendings, is_async=False)

        truth = truth_of(write_side.log, head)
        for each in told:
            assert_true(each, truth)

    @settings(max_examples=15)
    @given(sendings=st.lists(SENDINGS, min_size=1, max_size=3), plan=PLANS)
    def test_the_asynchronous_client_tells_the_same(
        self, write_side: WriteSide, sendings: list[Sending], plan: list[Fate]
    ) -> None:
        """One logic, two worlds."""
        head = write_side.log.head().position

        told = tell(Talker(write_side, plan, LONG), sendings, is_async=True)

        truth = truth_of(write_side.log, head)
        for each in told:
            assert_true(each, truth)

    @settings(max_examples=60)
    @given(
        sending=SENDINGS,
        plan=st.lists(st.sampled_from(Fate), min_size=1, max_size=10),
        patience=st.sampled_from([0.0, 0.1, 0.5, 1.5]),
    )
    def test_an_end_of_patience_says_what_it_leaves(
        self, write_side: WriteSide, sending: Sending, plan: list[Fate], patience: float
    ) -> None:
        """Nothing attempted: nothing is there. Unknown: asking tells it, sending again ends it."""
        head = write_side.log.head().position

        (told,) = tell(Talker(write_side, plan, patience), [sending], is_async=False)

        truth = truth_of(write_side.log, head)
        assert all(count == 1 for count in (truth.captured + truth.refused).values())
        if told.failure is None:
            assert_true(told, truth)
            return
        if isinstance(told.failure, NothingAttempted) and sending.way != "stream":
            assert not truth.captured
            assert not truth.refused
        assert isinstance(told.failure, NothingAttempted | OutcomeUnknown)
        assert told.failure.command_id is not None
        self._assert_resolved(write_side, told, head)

    @staticmethod
    def _assert_resolved(side: WriteSide, told: Told, head: int) -> None:
        """Ask for the command over a good line, then send all of it again."""
        failure = told.failure
        assert isinstance(failure, NothingAttempted | OutcomeUnknown)
        assert failure.command_id is not None
        with Client.to(side.address, token=side.token) as client:
            known = client.outcome(failure.command_id)
        positions = truth_of(side.log, head).positions
        if isinstance(known, Accepted):
            assert positions[str(known.command_id)] == known.position

        talker = Talker(side, [], LONG)
        again = talker.waiting(told.sending, told.key, told.trades)

        assert_true(told._replace(answers=again), truth_of(side.log, head))
        talker.line.close()


class TestOneFate:
    """Each kind of loss alone, three times in a row."""

    @pytest.mark.parametrize("way", ["single", "stream", "atomic"])
    @pytest.mark.parametrize("fate", list(Fate))
    def test_is_survived(self, write_side: WriteSide, fate: Fate, way: str) -> None:
        """And it was really suffered."""
        head = write_side.log.head().position
        kinds = [FINE] if way == "single" else [FINE, FINE]
        talker = Talker(write_side, [fate] * 3, LONG)

        told = tell(talker, [Sending(way, kinds)], is_async=False)

        assert_true(told[0], truth_of(write_side.log, head))
        assert fate in talker.line.suffered
