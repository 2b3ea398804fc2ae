"""Contests at the desk, and the reaction that tells ranks: once, whatever is interrupted."""

from concurrent.futures import Future
from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from commands.command import Issued, OpenPortfolio, Outcome, Status
from commands.contests import AnnounceContest, DisqualifyEntrant, EnterContest, WithdrawEntry
from commands.desk import Desk
from commands.metrics import UNRANKED
from commands.portfolio_commands import AssignOwner
from commands.reactions.contests import AllDue, Due, Held, RanksAtSessionEnd, ranks_id
from domain.contests.events import ContestEntered, Rank, RanksStruck, ResultStruck
from domain.contests.terms import ContestTerms, Metric, Window
from domain.lots import CostBasis
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.desks import wait_until
from tests.commands.scenes import ACME, MONDAY, RIVAL, TUESDAY, WAIT_SECONDS, done, issue
from tests.commands.test_settlement import close

TERMS = ContestTerms(
    window=Window.CONTEST, first_day=MONDAY, last_day=TUESDAY, calendar="XNYS", currency="USD",
    metric=Metric.RETURN,
)  # fmt: skip
CUP = AnnounceContest("cup", TERMS)
RANKS = RanksStruck(
    contest="cup", session=MONDAY, position=1, market_position=1, method="return",
    calculation="contests 1", page=1, pages=1, ranks=(Rank(participant="u", portfolio="p"),),
)  # fmt: skip


def open_owned(desk: Desk, *names: str) -> None:
    """Open portfolios, each of the owner `user-…`."""
    for name in names:
        done(desk, OpenPortfolio(portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO))
        done(desk, AssignOwner(name, f"user-{name}"))


def known(log: Log) -> list[object]:
    """Every event of the log."""
    return [decode(each.event_type, each.data) for each in log.read(0, 10_000)]


class TestTheDesk:
    """Decides from the streams of the contest and of the one entry."""

    def test_tells_each_once_and_refuses_by_name(self, desk: Desk, log: Log) -> None:
        """Whatever key it comes under; when the first session has closed, nobody enters."""
        open_owned(desk, "a", "b")
        for command in (
            CUP,
            EnterContest("cup", "a"),
            WithdrawEntry("cup", "user-a"),
            EnterContest("cup", "a"),
        ):
            assert done(desk, command).status is Status.ACCEPTED
        again = done(desk, EnterContest("cup", "a"))
        assert (again.status, again.replayed) == (Status.ACCEPTED, True)
        assert done(desk, CUP, tenant=RIVAL).replayed is False
        other = replace(CUP, terms=replace(TERMS, minimum_trades=1))
        assert done(desk, other).code == "contest_already_announced"
        assert done(desk, EnterContest("cup", "a"), tenant=RIVAL).code == "portfolio_unknown"
        close(desk, MONDAY)
        assert done(desk, EnterContest("cup", "b")).code == "contest_begun"
        close(desk, TUESDAY)
        assert done(desk, WithdrawEntry("cup", "user-a")).code == "contest_over"
        out = DisqualifyEntrant("cup", "user-a", "wash_trades")
        assert done(desk, out).status is Status.ACCEPTED
        entries = [each for each in known(log) if isinstance(each, ContestEntered)]
        assert entries == [ContestEntered("cup", "user-a", "a")] * 2

    def test_enters_a_portfolio_once_whoever_owns_it(self, desk: Desk, log: Log) -> None:
        """Its third owner is refused until the first has left, also where all is one turn."""
        open_owned(desk, "a")
        done(desk, CUP)
        enter = EnterContest("cup", "a")
        commands = (enter, AssignOwner("a", "user-x"), AssignOwner("a", "user-y"), enter)
        batch = desk.submit_batch([issue(each) for each in commands], is_atomic=False)
        codes = [each.code for each in batch.result(WAIT_SECONDS)]
        assert codes == [None, None, None, "portfolio_already_entered"]
        done(desk, WithdrawEntry("cup", "user-a"))
        assert done(desk, EnterContest("cup", "a")).status is Status.ACCEPTED

        done(desk, AssignOwner("a", "user-a"))
        assert done(desk, EnterContest("cup", "a")).code == "portfolio_already_entered"
        entries = [each for each in known(log) if isinstance(each, ContestEntered)]
        assert [each.participant for each in entries] == ["user-a", "user-y"]

    @pytest.mark.parametrize("name", ["gone", "unowned"])
    def test_needs_a_portfolio_with_an_owner(self, desk: Desk, name: str) -> None:
        """And one that is there."""
        done(
            desk, OpenPortfolio(portfolio="unowned", base_currency="USD", cost_basis=CostBasis.FIFO)
        )
        done(desk, CUP)

        code = done(desk, EnterContest("cup", name)).code

        assert code == ("portfolio_unknown" if name == "gone" else "portfolio_unowned")


def failures() -> float:
    """How many contests failed so far."""
    (metric,) = UNRANKED.collect()
    return metric.samples[0].value


class Folded:
    """Stands in for the read model: what is due until the log tells it; behind if told so."""

    def __init__(self, log: Log, *due: RanksStruck | ResultStruck) -> None:
        self.stands_at: int | None = None
        self.asked: list[Held] = []
        self._log, self._due = log, due

    def __call__(self, held: Held, limit: int) -> AllDue:
        """Tell what is due."""
        self.asked.append(held)
        events = known(self._log)[: self.stands_at]
        due = [Due(ACME, 1, (each,)) for each in self._due if each not in events]  # type: ignore[arg-type]
        return AllDue(len(events), due[:limit], {(ACME, "cup"): len(events)})


def look_again(leader: RanksAtSessionEnd, folded: Folded) -> None:
    """Look until all that was asked for is decided, and what is due has been asked once more."""
    looked = len(folded.asked)

    def has_looked() -> bool:
        leader.look()
        return len(folded.asked) > looked

    wait_until(has_looked)


class TestTheReaction:
    """Has the desk tell what is due."""

    def test_tells_each_set_once_though_the_model_lags(
        self, desk: Desk, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor asks for it again; another leader finds all due again, and meets the receipts."""
        close(desk, MONDAY)
        later = replace(RANKS, session=TUESDAY)
        folded = Folded(log, RANKS, later)
        folded.stands_at = 1
        asked: list[UUID] = []

        def submit(issued: Issued) -> Future[Outcome]:
            asked.append(issued.command_id)
            return Desk.submit(desk, issued)

        monkeypatch.setattr(desk, "submit", submit)
        for _ in range(2):
            leader = RanksAtSessionEnd(desk, log, folded)
            leader.look()
            wait_until(lambda: len(known(log)) == 3)
            look_again(leader, folded)
            look_again(leader, folded)

        assert asked == [ranks_id(ACME, each) for each in (RANKS, later)] * 2
        assert known(log)[1:] == [RANKS, later]
        (closing, struck, _) = log.read(0, 10)
        assert (struck.causation_id, struck.actor) == (closing.command_id, "reaction:contests")

    def test_names_contests_that_fail_and_tells_the_others(self, desk: Desk, log: Log) -> None:
        """Once each, where an operator looks."""
        close(desk, MONDAY)
        folded = Folded(log, RANKS)
        leader = RanksAtSessionEnd(
            desk, log, lambda *asked: folded(*asked)._replace(failed=["acme torn"])
        )
        failed = failures()
        leader.look()
        wait_until(lambda: len(known(log)) == 2)

        assert failures() == failed + 1

    def test_remembers_up_to_where_results_hold(self, desk: Desk, log: Log) -> None:
        """So the next look begins there."""
        close(desk, MONDAY)
        folded = Folded(log)
        leader = RanksAtSessionEnd(desk, log, folded)
        leader.look()
        leader.look()

        assert folded.asked == [{}, {(ACME, "cup"): 1}]

    def test_names_sessions_and_editions_apart(self) -> None:
        """A session's ranks, the result, and each later edition."""
        result = ResultStruck(
            contest="cup", session=date(2024, 1, 8), edition=1, position=1, market_position=1,
            method="return", calculation="contests 1", page=1, pages=1, ranks=(),
        )  # fmt: skip
        names = {ranks_id(ACME, each) for each in (RANKS, result, replace(result, edition=2))}

        assert len(names) == 3
        assert ranks_id(RIVAL, RANKS) not in names
