"""Checking trades: what would become of them, told without a trace in the log.

The desk's own thread judges them between its turns, on a layer that is thrown away: on the state
the log had at a position, which is told. So that trades are never kept waiting for long, few checks
wait, each ends within a bound, and after one the desk goes on for a while before the next.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from decimal import Decimal
from uuid import UUID

import msgspec
import structlog

from commands.command import CaptureTrade, Issued, Status
from commands.deciding import Probe, names_of, probe_of
from commands.decision import AlreadyDecided, Decision
from commands.overlay import Overlay
from commands.trades import capture_trade
from commands.view import View
from commands.world import World
from domain.identity import portfolio_stream
from domain.money import ZERO, Money
from domain.portfolio.events import TradeBooked
from domain.refolding import TakesLong
from domain.rejection import Breach, Conflict, Rejection
from eventstore.failures import LogUnavailable
from eventstore.log import Log

TRADES_MAX = 500
"""Most trades of one check."""

CHECKS_WAITING_MAX = 32
SECONDS_MAX = 0.1
"""After so long deciding a check ends; what is left of it is not attempted."""

PAUSE = 4.0
"""While others wait, no check is begun for so many times as long as the last one took."""

ENTRIES_MAX = 500
"""Most entries of a book's history that are read for a check."""

_log = structlog.get_logger("commands.checks")


class Checked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would become of one trade: accepted with `warnings`, or refused with `breaches`.

    Of what would be booked: what the portfolio would hold then, of the instrument and in each
    currency whose cash it moves, and what would be realised. `replayed`: just this trade was
    accepted before, at `first_position` if known. Nothing of this is promised: others go on.
    """

    outcome: Status
    trade_id: UUID | None = None
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    warnings: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    replayed: bool = False
    first_position: int | None = None
    is_parked: bool = False
    quantity_after: Decimal | None = None
    cash_after: tuple[Money, ...] = ()
    realised_gross: Decimal | None = None
    realised_net: Decimal | None = None


class Answer(msgspec.Struct, frozen=True):
    """What would become of trades, in their order, each seeing those before it.

    Judged on the state of the log at `position`, and on its market as of `market_position`.
    """

    position: int
    market_position: int
    results: tuple[Checked, ...]


class ChecksRefused(Exception):
    """Nothing was checked: too many checks wait, or the desk cannot say now."""


class Checks:
    """Checks that wait for the desk's thread; any thread puts, that one runs."""

    def __init__(self, log: Log, nudge: Callable[[], None]) -> None:
        self._log = log
        self._nudge = nudge
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Sequence[Issued], Future[Answer]]] = deque()
        self._is_closed = False
        self._not_before = 0.0

    def are_waiting(self) -> bool:
        """Whether any check waits."""
        return bool(self._waiting)

    def put(self, issued: Sequence[Issued]) -> "Future[Answer]":
        """Queue trades to be checked together.

        Raises:
            ChecksRefused: too many wait, or the desk is stopping.
        """
        assert 0 < len(issued) <= TRADES_MAX, "callers are told how many fit"
        future: Future[Answer] = Future()
        with self._lock:
            if self._is_closed or len(self._waiting) >= CHECKS_WAITING_MAX:
                raise ChecksRefused
            self._waiting.append((issued, future))
        self._nudge()
        return future

    def close(self) -> None:
        """Take no more, and refuse what waits."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = list(self._waiting), deque()
        for _, future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(ChecksRefused())

    def run_next(self, world: World, *, is_desk_idle: bool) -> None:
        """Answer the check that waits longest, if there is time for one; never raises."""
        started = time.perf_counter()
        if not is_desk_idle and started < self._not_before:
            return
        with self._lock:
            if not self._waiting:
                return
            issued, future = self._waiting.popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            if is_desk_idle:
                world.follow(self._log)
            answer = _answer(issued, world, self._log)
        except LogUnavailable as error:
            _log.warning("check.log_unavailable", error=str(error))
            future.set_exception(ChecksRefused())
        except Exception as error:  # noqa: BLE001 - a defect answers its caller, not the desk's
            _log.exception("check.failed")
            future.set_exception(error)
        else:
            future.set_result(answer)
        ended = time.perf_counter()
        self._not_before = ended + PAUSE * (ended - started)


def _answer(issued: Sequence[Issued], world: World, log: Log) -> Answer:
    overlay = Overlay(world)
    known = _known(issued, overlay, log)
    deadline = time.perf_counter() + SECONDS_MAX
    view = View(overlay, log, known.first_events, entries_max=ENTRIES_MAX)
    results: list[Checked] = []
    for each in issued:
        if results and time.perf_counter() > deadline:
            results.append(_left_out("check_too_long", "Checking took too long; ask for less."))
        else:
            results.append(_checked(each, view))
    return Answer(world.position, world.market.position, tuple(results))


def _known(issued: Sequence[Issued], overlay: Overlay, log: Log) -> Probe:
    """Find what the log knows of the trades' names, up to the state they are judged on."""
    _, names = names_of(log, issued, overlay)
    known = probe_of(log, log.known([], names))
    until = overlay.base
    return Probe(
        {}, {name: each for name, each in known.first_events.items() if each.position <= until}
    )


def _checked(issued: Issued, view: View) -> Checked:
    command = issued.command
    assert isinstance(command, CaptureTrade), "only captures are checked"
    try:
        decision = capture_trade(issued, command, view)
    except Conflict as conflict:
        return Checked(
            outcome=Status.CONFLICT,
            code=conflict.code,
            message=conflict.message,
            fields=conflict.fields,
        )
    except Rejection as rejection:
        return _refused(rejection, None)
    except TakesLong:
        return _left_out("check_too_long", "It stands too far back in its book to be checked.")
    if isinstance(decision, AlreadyDecided):
        return Checked(
            outcome=Status.ACCEPTED,
            trade_id=decision.stream_id,
            replayed=True,
            first_position=view.first_position(decision.stream_id)
            if decision.version == 1
            else None,
        )
    if decision.rejection is not None:
        return _refused(decision.rejection, decision.trade_id)
    view.admit(decision.events, issued.command_id)
    return _accepted(issued, decision, view)


def _accepted(issued: Issued, decision: Decision, view: View) -> Checked:
    told = Checked(
        outcome=Status.ACCEPTED,
        trade_id=decision.trade_id,
        warnings=decision.warnings,
        is_parked=decision.is_parked,
    )
    booked = [each.event for each in decision.events if isinstance(each.event, TradeBooked)]
    if not booked:
        return told
    last, stream = booked[-1], portfolio_stream(issued.tenant, booked[-1].portfolio)
    held = view.overlay.current_portfolio(stream, view.log)
    assert held is not None, "a trade was booked there"
    assert held.opened is not None, "a trade was booked there"
    currencies = {last.currency: None}
    if held.opened.auto_exchange:
        currencies[held.opened.base_currency] = None
    return msgspec.structs.replace(
        told,
        quantity_after=held.book(last.instrument).quantity,
        cash_after=tuple(Money(held.balance(currency), currency) for currency in currencies),
        realised_gross=last.realised_gross or ZERO,
        realised_net=last.realised_net or ZERO,
    )


def _refused(rejection: Rejection, trade_id: UUID | None) -> Checked:
    return Checked(
        outcome=Status.REJECTED,
        trade_id=trade_id,
        code=rejection.code,
        message=rejection.message,
        breaches=rejection.breaches,
    )


def _left_out(code: str, message: str) -> Checked:
    return Checked(outcome=Status.NOT_ATTEMPTED, code=code, message=message)
