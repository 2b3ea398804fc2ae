"""Laws of corporate actions in NAVs and bridges, on the events that the domain itself decides.

Trades, corrections, declarations, reversals, business time and sessions come in any order.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.corporate_actions import Split, StockDividend, Terms
from domain.correcting import Amend
from domain.instrument import CorporateActionDeclared, CorporateActionReversed
from domain.lots import CostBasis
from domain.portfolio.corporate_events import CorporateActionApplied, LotsSpunOff
from domain.portfolio.events import PortfolioEvent, PortfolioOpened, TradeBooked
from domain.trade import Capture
from domain.transfers import Transfer
from projections.asking import Readable
from projections.performance.bridging import bridge_of
from projections.performance.realised import realised_of
from tests.domain import test_holder_laws as holders
from tests.domain.blotter import (
    LATER,
    Blotter,
    Day,
    Declaration,
    Message,
    Registration,
    Reversal,
    booked_in_order,
)
from tests.domain.scenes import APPLE, FUND, MONDAY
from tests.projections.performance import naive
from tests.projections.performance.history import NOTHING_YET, history
from tests.projections.performance.telling import (
    ACME,
    MODEL,
    Folded,
    Told,
    at,
    closed,
    corrected,
    day,
    decoded,
    flow,
    marked,
)
from tests.projections.performance.test_bridging import told as told_to
from tests.projections.performance.test_laws import cut, stored_days, without_emptied

Connection = psycopg.Connection[Any]

FIRST = (MONDAY - day(1)).days + 1
NUMBERS = range(FIRST, FIRST + len(holders.DAYS))
PRICES = st.sampled_from(["1", "3", "7.5", "10", "33.333333333333"])
MARKET = "market"
RATES = st.lists(
    st.sampled_from([None, Decimal("0.9"), Decimal("1.3"), Decimal("0.7")]), min_size=1, max_size=5
)


@st.composite
def markets(draw: st.DrawFn) -> list[Told]:
    """The sessions of all days, in order, with closes; marks, flows and a correction between."""
    told: list[Told] = []
    for number in NUMBERS:
        if draw(st.booleans()):
            hour = draw(st.sampled_from([10, 16, 22]))
            name = draw(st.sampled_from([APPLE, LATER]))
            marks = {name: draw(PRICES), "EUR/USD": draw(st.sampled_from(["0.5", "1.25"]))}
            told.append(marked(at(draw(st.sampled_from(NUMBERS)), hour), marks))
        if draw(st.booleans()):
            moment = at(draw(st.sampled_from(NUMBERS)), draw(st.sampled_from([13, 15, 22])))
            amount = draw(st.sampled_from(["-100", "50", "1000"]))
            on = draw(st.sampled_from([None, number]))
            when = moment if on is None else None
            told.append(flow(amount, on, moment=when, portfolio=FUND))
        closes = draw(st.dictionaries(st.sampled_from([APPLE, LATER]), PRICES, max_size=2))
        told.append(closed(number, closes))
    if draw(st.booleans()):
        name, price = draw(st.sampled_from([APPLE, LATER])), draw(st.none() | PRICES)
        told.append(corrected(draw(st.sampled_from(NUMBERS)), name, price))
    return told


class Scene(msgspec.Struct):
    """A story of holders, with market events somewhere among its messages."""

    messages: list[Message]
    market: list[tuple[int, Told]]
    basis: CostBasis

    def told(self) -> list[Told]:
        """All events, as they were decided."""
        blotter = Blotter(self.basis)
        told = portfolio_events(blotter, 0)
        for place, message in enumerate(self.messages):
            told += [each for where, each in self.market if where == place]
            told += decide(blotter, message)
        return told + [each for where, each in self.market if where >= len(self.messages)]


def portfolio_events(blotter: Blotter, done: int) -> list[Told]:
    """What was decided for the portfolios since so many commands."""
    return [
        (ACME, event)
        for command in blotter.commands[done:]
        for event in command
        if isinstance(event, PortfolioEvent) and type(event) in MODEL.event_types
    ]


def decide(blotter: Blotter, message: Message) -> list[Told]:
    """Tell a message; give what it decided, of the market and of the portfolios."""
    done = len(blotter.commands)
    told: list[Told] = []
    match message:
        case Declaration(action):
            event = CorporateActionDeclared(action.instrument, Terms.of(action))
            told.append((MARKET, event))
        case Reversal(action, reason):
            told.append((MARKET, CorporateActionReversed(action.instrument, action.action, reason)))
        case _:
            pass
    blotter.tell(message)
    return told + portfolio_events(blotter, done)


def adjusted(message: Message, *, names: set[str]) -> Message:
    """Declare or reverse an action of a source that adjusts its own past, if it is one of these."""
    if not isinstance(message, Declaration | Reversal):
        return message
    action = message.action
    if not isinstance(action, Split | StockDividend) or action.action not in names:
        return message
    return msgspec.structs.replace(
        message, action=msgspec.structs.replace(action, prices_adjusted=True)
    )


@st.composite
def scenes(draw: st.DrawFn, *, transfers: bool = False) -> Scene:
    """Anything in any order; by the end every action that holds is applied."""
    story = draw(holders.stories())
    names = draw(st.sets(st.sampled_from(["a-0", "a-1"])))
    messages = [
        adjusted(each, names=names)
        for each in story.messages
        if transfers or not isinstance(each, Transfer)
    ]
    market = draw(markets())
    places = draw(
        st.lists(st.integers(0, len(messages) + 1), min_size=len(market), max_size=len(market))
    )
    return Scene(
        messages, list(zip(sorted(places), market, strict=True)), draw(st.sampled_from(CostBasis))
    )


def in_order(scene: Scene) -> Scene:
    """The same as it holds in the end, all of it told before the first session closes."""
    gone = [each.action for each in scene.messages if isinstance(each, Reversal)]
    holding = [
        each for each in scene.messages if isinstance(each, Declaration) and each.action not in gone
    ]
    blotter = Blotter(scene.basis)
    blotter.tell(*scene.messages)
    books = booked_in_order(blotter)
    standing = {
        fill.external_id for (place, _), fills in books.items() if place == FUND for fill in fills
    }
    captures = [each for each in contents(scene.messages) if each.external_id in standing]
    messages: list[Message] = [Registration(), *holding, *sorted(captures, key=dated)]
    messages.append(Day(holders.LAST))
    return Scene(messages, [(len(messages), each) for _, each in scene.market], scene.basis)


def contents(messages: Iterable[Message]) -> list[Capture]:
    """What each trade says in the end."""
    found: dict[str, Capture] = {}
    amended: set[str] = set()
    for message in messages:
        if isinstance(message, Amend):
            found[message.capture.external_id] = message.capture
            amended.add(message.capture.external_id)
        elif isinstance(message, Capture) and message.external_id not in amended:
            found[message.external_id] = message
    return list(found.values())


def dated(capture: Capture) -> date:
    """When it was traded."""
    return capture.trade_date or MONDAY


def current(tables: Folded) -> dict[naive.RowKey, naive.Row]:
    """What is known of the fund's days."""
    return {key: row["current"] for key, row in stored_days(tables).items() if key[1] == FUND}


class TestAnyScene:
    """Whatever happens in whatever order."""

    @settings(max_examples=60)
    @given(scene=scenes(), untold=st.integers(0, 12))
    def test_equals_the_naive_model(
        self, connection: Connection, scene: Scene, untold: int
    ) -> None:
        """Current, struck, and what restated it, event by event, wherever the story ends."""
        told = scene.told()
        told = told[: max(3, len(told) - untold)]
        tables = Folded(connection)
        for event in decoded(told):
            tables.take([event])

        found, expected = stored_days(tables), history(told)

        for row in (*found.values(), *expected.values()):
            row["struck"] = without_emptied(row["struck"])
        assert found == expected

    @settings(max_examples=40)
    @given(scene=scenes(transfers=True), places=st.lists(st.integers(0, 99), max_size=6))
    def test_gives_the_same_tables_in_any_batches(
        self, connection: Connection, scene: Scene, places: list[int]
    ) -> None:
        """One batch, or some with restarts between."""
        events = decoded(scene.told())
        whole = Folded(connection, "performance_whole")
        whole.take(events)
        parts = Folded(connection)
        for batch in cut(events, places):
            parts.restart()
            parts.take(batch)

        assert parts.everything() == whole.everything()

    @settings(max_examples=60)
    @given(scene=scenes())
    def test_ends_as_what_holds_told_in_time(self, connection: Connection, scene: Scene) -> None:
        """Late, early, amended, reversed: the rows are those of what holds in the end."""
        went = Folded(connection)
        went.take(decoded(scene.told()))
        should = Folded(connection, "performance_other")
        should.take(decoded(in_order(scene).told()))

        known, holds = current(went), current(should)

        assert {key: known[key] for key in known if key in holds} == holds
        nothing = naive.shown(NOTHING_YET)
        assert all(known[key] == nothing for key in known.keys() - holds.keys())


class TestTheBridge:
    """Between any two sessions, when all is told."""

    @settings(max_examples=80)
    @given(scene=scenes(transfers=True), is_foreign=st.booleans(), rates=RATES)
    def test_adds_up(
        self, connection: Connection, scene: Scene, *, is_foreign: bool, rates: list[Decimal | None]
    ) -> None:
        """To the NAVs of `days`, exactly, with what was realised in `/realised`."""
        told = [marked(at(FIRST - 9), {"EUR/USD": "1.1"}), *scene.told()]
        if is_foreign:
            told = [in_euros(each, rates) for each in told]
        tables = told_to(connection, told)
        listed = realised_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
        query = "SELECT portfolio, session, nav FROM {schema}.{table}"
        days = sorted(row[1:] for row in tables.select(query, "days") if row[0] == FUND)

        before: Decimal | None = Decimal(0)
        net = Decimal(0)
        for session, nav in days:
            view = bridge_of(
                Readable(connection), tenant=ACME, portfolio=FUND, since=session, until=session
            ).row
            assert view is not None
            if nav is None or before is None:
                assert view.reason == "nav_incomplete"
            else:
                assert view.bridge is not None, view.reason
                assert sum(view.bridge.parts.values()) == nav - before
                net += view.bridge.realised_net
            before = nav
        if days and None not in [nav for _, nav in days]:
            assert sum((row.base_net or Decimal(0) for row in listed), Decimal(0)) == net
        orders = [row.book_order for row in listed]
        assert orders == sorted(set(orders))


def in_euros(told: Told, rates: list[Decimal | None]) -> Told:
    """The same in a portfolio of euros, with trades and actions that know their rate or not."""
    tenant, event = told
    match event:
        case PortfolioOpened():
            return tenant, msgspec.structs.replace(event, base_currency="EUR")
        case TradeBooked():
            rate = rates[int(event.fill.quantity) % len(rates)]
            return tenant, msgspec.structs.replace(event, rate_to_base=rate)
        case LotsSpunOff():
            return tenant, msgspec.structs.replace(event, rate_to_base=rates[-1])
        case CorporateActionApplied():
            rated = {"rate_to_base": rates[-1], "due_rate_to_base": rates[0]}
            return tenant, msgspec.structs.replace(event, **rated)
        case _:
            return told
