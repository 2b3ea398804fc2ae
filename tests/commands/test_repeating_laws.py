"""Saying it again changes nothing, under the name of its command or another (convention 2)."""

import itertools
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commands.command import (
    AmendTrade,
    BustTrade,
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    Status,
    WithdrawCash,
)
from commands.desk import Desk
from commands.portfolio_commands import BookInterest
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.desks import desk_on
from tests.commands.scenes import MONDAY, TUESDAY, WAIT_SECONDS, capture, issue, register

NAMED = (CaptureTrade, AmendTrade, BustTrade, OpenPortfolio, RegisterInstrument)
"""What has a name of its own, so that it is known again under any key."""

worlds = itertools.count(1)
sizes = st.integers(1, 5).map(Decimal)
money = st.integers(1, 200).map(lambda amount: Money(Decimal(amount), "USD"))
captures = st.builds(
    lambda **fields: capture(**fields).capture,
    external_id=st.integers(1, 6).map(lambda number: f"t-{number}"),
    portfolio=st.sampled_from(["alpha", "alpha", "beta"]),
    instrument=st.sampled_from(["A", "A", "B"]),
    intent=st.sampled_from([Intent.PROPOSED, Intent.EXECUTED]),
    side=st.sampled_from(Side),
    quantity=sizes,
    price=sizes,
    trade_date=st.sampled_from([MONDAY, TUESDAY]),
)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Mostly trades and their corrections, under names that meet again."""
    content = draw(captures)
    amount, portfolio = draw(money), content.portfolio
    amended = replace(content, intent=Intent.EXECUTED)
    return draw(
        st.sampled_from(
            [
                CaptureTrade(content),
                CaptureTrade(amended),
                AmendTrade(revision=draw(st.integers(1, 2)), capture=amended),
                BustTrade(
                    source=content.source,
                    external_id=content.external_id,
                    portfolio=portfolio,
                    reason="cancelled_by_venue",
                ),
                DepositCash(portfolio=portfolio, amount=amount, value_date=MONDAY),
                WithdrawCash(portfolio=portfolio, amount=amount, value_date=MONDAY),
                BookInterest(portfolio=portfolio, amount=amount, value_date=MONDAY),
                opening(portfolio),
                register(content.instrument),
            ]
        )
    )


def opening(portfolio: str) -> OpenPortfolio:
    """The command that opens a portfolio."""
    return OpenPortfolio(portfolio=portfolio, base_currency="USD", cost_basis=CostBasis.FIFO)


def issued_in(world: str, command: Command) -> Issued:
    """Issue a command in a world with a tenant and instruments of its own, under a new key."""
    if isinstance(command, CaptureTrade):
        named = replace(command.capture, instrument=f"{world}-{command.capture.instrument}")
        return issue(CaptureTrade(named), tenant=world)
    if isinstance(command, AmendTrade):
        named = replace(command.capture, instrument=f"{world}-{command.capture.instrument}")
        return issue(replace(command, capture=named), tenant=world)
    if isinstance(command, RegisterInstrument):
        return issue(register(f"{world}-{command.instrument}"), tenant=MARKET_TENANT)
    return issue(command, tenant=world)


def submit(desk: Desk, issued: list[Issued], *, is_batch: bool) -> list[Outcome]:
    """Submit commands together, or one after the other."""
    if is_batch:
        return desk.submit_batch(issued, is_atomic=False).result(WAIT_SECONDS)
    return [desk.submit(each).result(WAIT_SECONDS) for each in issued]


class TestRepeating:
    """Each command has one outcome, each fact one place in the log."""

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        told=st.lists(commands(), min_size=1, max_size=10),
        is_batch=st.booleans(),
        is_restarted=st.booleans(),
        data=st.data(),
    )
    def test_every_command_changes_nothing(
        self,
        log: Log,
        told: list[Command],
        data: st.DataObject,
        *,
        is_batch: bool,
        is_restarted: bool,
    ) -> None:
        """Under its key: its first outcome, whatever that was. Under others: the first acceptance.

        Repeated in any order, also to a desk that knows only the log; no event is added to it.
        """
        world = f"repeating-{next(worlds)}"
        scene = [opening("alpha"), register("A"), *told]
        issued = [issued_in(world, each) for each in scene]
        with desk_on(log) as desk:
            outcomes = submit(desk, issued, is_batch=is_batch)
            head = log.head().position
            first = dict(zip([each.command_id for each in issued], outcomes, strict=True))
            known = [
                (each, issued_in(world, command))
                for each, command in zip(issued, scene, strict=True)
                if isinstance(command, NAMED) and first[each.command_id].status is Status.ACCEPTED
            ]
            repeated = [(each, each) for each in issued] + known
            again = data.draw(st.permutations(repeated))
            if not is_restarted:
                replays = submit(desk, [each for _, each in again], is_batch=is_batch)
        if is_restarted:
            with desk_on(log) as desk:
                replays = submit(desk, [each for _, each in again], is_batch=is_batch)

        assert log.head().position == head
        for (origin, _), replay in zip(again, replays, strict=True):
            was = first[origin.command_id]
            assert replay.replayed
            assert (replay.status, replay.code) == (was.status, was.code)
            assert replay.trade_id == was.trade_id
            if was.position is not None:
                assert replay.position == was.position
