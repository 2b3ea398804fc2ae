"""Capturing trades through the desk: outcomes, identity, parking, late fills (conventions 1-4)."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

import commands.desk
from commands.command import CommandState, RegisterSource, ReleaseTrade, Status
from commands.desk import Desk
from domain.identity import MARKET_TENANT, command_id
from domain.lots import Side
from domain.portfolio.events import LotsRestated, TradeBooked
from domain.source import NamingScope
from domain.trade import Intent, TradeCaptured, TradeParked, TradeRefused, TradeReleased
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.scenes import (
    ACME,
    MONDAY,
    NOON,
    RIVAL,
    TUESDAY,
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
    register,
)


@dataclass
class Logged:
    """Every event of a log, decoded, in order."""

    log: Log

    def events(self) -> list[object]:
        """Read the whole log."""
        return [decode(each.event_type, each.data) for each in self.log.read(0, 10_000)]

    def of(self, kind: type) -> list[object]:
        """Read the events of one type."""
        return [each for each in self.events() if isinstance(each, kind)]


class TestProposing:
    """A proposed trade asks: every rule applies."""

    def test_books_trade_and_portfolio_in_one_append(self, desk: Desk, log: Log) -> None:
        """Two events, one position after the other, and the acceptance names the last."""
        open_alpha(desk)

        outcome = done(desk, capture("t-1"))

        assert outcome.status is Status.ACCEPTED
        captured, booked = Logged(log).events()[-2:]
        assert isinstance(captured, TradeCaptured)
        assert isinstance(booked, TradeBooked)
        assert booked.cash_after == Decimal(99_000)
        assert outcome.position == log.head().position
        assert outcome.stream_version == 1

    def test_refuses_with_every_breach_and_records_it(self, desk: Desk, log: Log) -> None:
        """Too dear and from the future: both are named."""
        open_alpha(desk, cash=10)
        tomorrow = NOON.date() + timedelta(days=1)

        outcome = done(desk, capture("t-1", trade_date=tomorrow))

        assert outcome.status is Status.REJECTED
        rules = [breach.rule for breach in outcome.breaches]
        assert rules == ["insufficient_cash", "trade_from_the_future"]
        (refused,) = Logged(log).of(TradeRefused)
        assert isinstance(refused, TradeRefused)
        assert refused.breaches == outcome.breaches

    def test_does_not_use_the_name_up_when_refused(self, desk: Desk) -> None:
        """The same external id may try again under another command id."""
        open_alpha(desk, cash=1_000)
        refused = done(desk, capture("t-1", quantity=Decimal(1_000)))

        accepted = done(desk, capture("t-1"))

        assert refused.status is Status.REJECTED
        assert accepted.status is Status.ACCEPTED

    def test_refuses_a_short_sale_unless_allowed(self, desk: Desk) -> None:
        """Sold beyond what is held."""
        open_alpha(desk)

        outcome = done(desk, capture("t-1", side=Side.SELL))

        assert outcome.code == "short_not_allowed"

    def test_books_a_short_sale_where_allowed(self, desk: Desk) -> None:
        """The portfolio says so."""
        open_alpha(desk, allows_short=True)

        outcome = done(desk, capture("t-1", side=Side.SELL))

        assert outcome.status is Status.ACCEPTED

    def test_refuses_an_unknown_instrument_and_another_currency(self, desk: Desk) -> None:
        """Neither can be judged."""
        open_alpha(desk)

        unknown = done(desk, capture("t-1", instrument="NOPE"))
        foreign = done(desk, capture("t-2", currency="EUR"))
        nonsense = done(desk, capture("t-3", currency="XXY"))

        codes = [each.code for each in (unknown, foreign, nonsense)]
        assert codes == ["instrument_unknown", "currency_mismatch", "currency_unknown"]


class TestTelling:
    """An executed trade tells: it is refused only when it cannot be understood."""

    def test_books_it_with_its_breaches(self, desk: Desk) -> None:
        """No cash: booked all the same, with a warning."""
        open_alpha(desk, cash=10)

        outcome = done(desk, capture("t-1", intent=Intent.EXECUTED))

        assert outcome.status is Status.ACCEPTED
        assert [breach.rule for breach in outcome.warnings] == ["insufficient_cash"]

    def test_refuses_an_unknown_portfolio(self, desk: Desk) -> None:
        """There is nothing to book it on."""
        outcome = done(desk, capture("t-1", intent=Intent.EXECUTED))

        assert outcome.code == "portfolio_unknown"

    def test_parks_it_until_its_instrument_appears(self, desk: Desk, log: Log) -> None:
        """Parked, told again as parked, then released and booked once."""
        open_alpha(desk)
        wanted = capture("t-1", instrument="LATER", intent=Intent.EXECUTED)
        parked = done(desk, wanted)
        again = done(desk, wanted)
        done(desk, register("LATER"), tenant=MARKET_TENANT)
        assert parked.trade_id is not None

        released = done(desk, ReleaseTrade(parked.trade_id))
        twice = done(desk, ReleaseTrade(parked.trade_id))

        assert parked.is_parked
        assert again.is_parked
        assert again.replayed
        assert released.status is Status.ACCEPTED
        assert twice.replayed
        logged = Logged(log)
        counts = [len(logged.of(kind)) for kind in (TradeParked, TradeReleased, TradeBooked)]
        assert counts == [1, 1, 1]


class TestNaming:
    """A trade is named by tenant, source and external id (convention 2)."""

    def test_tells_the_first_acceptance_again(self, desk: Desk, log: Log) -> None:
        """Same name, same content, another key: the first acceptance, nothing written."""
        open_alpha(desk)
        first = done(desk, capture("t-1"))
        head = log.head()

        again = done(desk, capture("t-1", price=Decimal("10.0")))

        assert again.replayed
        assert (again.position, again.recorded_at) == (first.position, first.recorded_at)
        assert log.head() == head

    def test_names_the_fields_that_differ(self, desk: Desk) -> None:
        """Same name, other content."""
        open_alpha(desk)
        done(desk, capture("t-1"))

        conflict = done(desk, capture("t-1", price=Decimal(11), quantity=Decimal(5)))

        assert conflict.status is Status.CONFLICT
        assert conflict.code == "external_id_conflict"
        assert conflict.fields == ("quantity", "price")

    def test_gives_the_same_command_its_first_outcome(self, desk: Desk) -> None:
        """Also a refusal, although it would be accepted by now."""
        open_alpha(desk, cash=10)
        refused = done(desk, capture("t-1"), key="once")
        open_alpha(desk)

        again = done(desk, capture("t-1"), key="once")

        assert again.status is Status.REJECTED
        assert again.replayed
        assert again.breaches == refused.breaches

    def test_refuses_a_key_with_other_content(self, desk: Desk) -> None:
        """An idempotency key names one command."""
        open_alpha(desk)
        done(desk, capture("t-1"), key="once")

        reused = done(desk, capture("t-2"), key="once")

        assert reused.code == "idempotency_key_reused"

    def test_books_equal_twins_with_different_ids(self, desk: Desk, log: Log) -> None:
        """Two equal fills are both real."""
        open_alpha(desk)

        done(desk, capture("t-1"))
        done(desk, capture("t-2"))

        assert len(Logged(log).of(TradeBooked)) == 2

    def test_names_per_trade_date_where_the_source_does(self, desk: Desk) -> None:
        """FIX execution ids are unique per day only."""
        open_alpha(desk)
        done(desk, RegisterSource("desk-1", NamingScope.TRADE_DATE))

        monday = done(desk, capture("t-1"))
        tuesday = done(desk, capture("t-1", trade_date=TUESDAY))

        assert monday.trade_id != tuesday.trade_id
        assert tuesday.status is Status.ACCEPTED

    def test_keeps_tenants_apart(self, desk: Desk) -> None:
        """The same names of two tenants are different trades and commands."""
        open_alpha(desk)
        open_alpha(desk, tenant=RIVAL)

        one = done(desk, capture("t-1"), key="same")
        other = done(desk, capture("t-1"), key="same", tenant=RIVAL)

        assert not other.replayed
        assert one.trade_id != other.trade_id


class TestBatches:
    """Batches are decided in order, later items seeing earlier ones."""

    def test_sees_its_own_earlier_items(self, desk: Desk) -> None:
        """The second purchase has no cash left; a twin of the first is told again."""
        open_alpha(desk, cash=1_500)
        items = [issue(capture("t-1")), issue(capture("t-2")), issue(capture("t-1"))]

        outcomes = desk.submit_batch(items, is_atomic=False).result(WAIT_SECONDS)

        assert [each.status for each in outcomes] == [
            Status.ACCEPTED,
            Status.REJECTED,
            Status.ACCEPTED,
        ]
        assert outcomes[2].replayed
        assert outcomes[2].position == outcomes[0].position
        assert outcomes[2].recorded_at == outcomes[0].recorded_at

    def test_books_nothing_of_a_refused_atomic_batch(self, desk: Desk, log: Log) -> None:
        """One refusal, its record, and nothing else."""
        open_alpha(desk, cash=1_500)
        items = [issue(capture("t-1")), issue(capture("t-2")), issue(capture("t-3"))]

        outcomes = desk.submit_batch(items, is_atomic=True).result(WAIT_SECONDS)
        alone = done(desk, capture("t-3"))

        assert [each.status for each in outcomes] == [
            Status.NOT_ATTEMPTED,
            Status.REJECTED,
            Status.NOT_ATTEMPTED,
        ]
        assert alone.status is Status.ACCEPTED
        assert len(Logged(log).of(TradeRefused)) == 1
        assert len(Logged(log).of(TradeBooked)) == 1

    def test_waits_for_nobody_behind_a_batch_of_one_caller(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only callers that were answered together are given a moment to meet again."""
        open_alpha(desk)
        monkeypatch.setattr(commands.desk, "GATHER_SECONDS", WAIT_SECONDS)
        items = [issue(capture("t-1")), issue(capture("t-2"))]
        desk.submit_batch(items, is_atomic=False).result(WAIT_SECONDS)
        threading.Event().wait(0.2)  # By now it would wait for them.

        alone = done(desk, capture("t-3"))

        assert alone.status is Status.ACCEPTED, "nothing is given up because it waited too long"

    def test_books_a_large_batch_across_turns(self, desk: Desk) -> None:
        """Two thousand items in several transactions, every one answered in its place."""
        open_alpha(desk, cash=10_000_000)
        items = [issue(capture(f"t-{number:04}")) for number in range(2_000)]

        outcomes = desk.submit_batch(items, is_atomic=False).result(WAIT_SECONDS)

        assert [each.command_id for each in outcomes] == [each.command_id for each in items]
        positions = [each.position for each in outcomes]
        assert None not in positions
        assert len(set(positions)) == 2_000


class TestArrivingLate:
    """A fill late in book order restates what follows it."""

    def test_restates_lots_and_realised_parts(self, desk: Desk, log: Log) -> None:
        """An older, cheaper lot is what the sale really closed."""
        open_alpha(desk)
        done(desk, capture("t-2", trade_date=TUESDAY, quantity=Decimal(10)))
        sold = {"side": Side.SELL, "quantity": Decimal(10), "price": Decimal(12)}
        done(desk, capture("t-3", trade_date=TUESDAY, **sold))

        done(desk, capture("t-1", trade_date=MONDAY, quantity=Decimal(10), price=Decimal(9)))

        booked, restated = Logged(log).events()[-2:]
        assert isinstance(booked, TradeBooked)
        assert booked.is_late
        assert isinstance(restated, LotsRestated)
        (change,) = restated.changes
        assert (change.trade_date, change.gross) == (TUESDAY, Decimal(10))
        assert restated.totals.realised_gross == Decimal(30)
        (lot,) = restated.lots
        assert (lot.trade_date, lot.cost) == (TUESDAY, Decimal(100))


class TestAsking:
    """A command's fate can be asked for by its id."""

    def test_tells_decided_and_never_seen(self, desk: Desk) -> None:
        """And another tenant's command is never seen."""
        open_alpha(desk)
        done(desk, capture("t-1"), key="asked")
        name = command_id(ACME, "asked")

        state, outcome = desk.state_of(ACME, name)

        assert state is CommandState.DECIDED
        assert outcome is not None
        assert outcome.status is Status.ACCEPTED
        assert desk.state_of(RIVAL, name)[0] is CommandState.NEVER_SEEN
        assert desk.state_of(ACME, command_id(ACME, "other"))[0] is CommandState.NEVER_SEEN
