"""Ranks of the log alone: as of any position, and every struck set made again."""

from itertools import count

from msgspec.structs import replace

from domain.contests.events import RanksStruck, ResultStruck
from domain.identity import derive
from eventstore.log import Log
from infra.command_line.proving import described
from infra.database import Database
from projections.asking import Readable
from projections.building import connect
from projections.leaderboard.proving import prove, ranks_at
from projections.leaderboard.striking import DueRanks, ranks_due
from projections.leaderboard.tracks import CALCULATION
from projections.rebuild import rebuild
from tests.projections.leaderboard.contests import (
    CUP,
    announced,
    bought,
    disqualified,
    entered,
    funded,
    shown,
)
from tests.projections.performance.telling import ACME, MODEL, Told, closed, corrected, unbooked
from tests.projections.story import Story

_STREAMS = count(1)
BUYS = bought("a", "50")


class Logged:
    """A log of which more is told, and tables rebuilt from it."""

    def __init__(self, log: Log, database: Database, story: Story) -> None:
        self.log, self.conninfo, self._story = log, database.app_conninfo, story

    def tell(self, *told: Told) -> int:
        """Append events, each in a stream of its own; give the head."""
        self._story.tell(
            *((tenant, derive("test", str(next(_STREAMS))), event) for tenant, event in told)
        )
        return self._story.append_to(self.log)

    def due(self) -> list[DueRanks]:
        """Rebuild the tables, and see what is due."""
        rebuild(MODEL, self.log, self.conninfo)
        with connect(self.conninfo, application_name="test") as connection:
            return ranks_due(Readable(connection), {}, limit=100).due

    def strike(self) -> list[RanksStruck | ResultStruck]:
        """Tell what is due."""
        struck = [page for each in self.due() for page in each.struck]
        self.tell(*((ACME, page) for page in struck))
        return struck


class TestProving:
    """The log folded anew, whatever was restated since."""

    def test_makes_every_struck_set_again(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """Each at the position of its own inputs; one that was forged is found, by whom.

        What another calculation struck proves nothing where it differs, and is proved where not.
        """
        logged = Logged(log, log_database, story)
        logged.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), BUYS,
            closed(2, {"AAPL": "11"}), closed(3, {"AAPL": "12"}),
        )  # fmt: skip
        logged.strike()
        logged.tell(corrected(2, "AAPL", "9"), closed(4, {"AAPL": "12"}))
        logged.strike()
        logged.tell(unbooked(BUYS))
        (edition,) = logged.strike()
        assert isinstance(edition, ResultStruck)
        assert (edition.edition, edition.reason) == (2, "busted_trade")
        rebuild(MODEL, log, logged.conninfo)

        proved = list(prove(log, logged.conninfo))

        assert [(each.session.day, each.edition) for each in proved] == [
            (2, 0), (3, 0), (4, 1), (4, 2),
        ]  # fmt: skip
        assert all(each.holds for each in proved)

        self._finds_what_was_forged(logged, edition)

    @staticmethod
    def _finds_what_was_forged(logged: "Logged", edition: ResultStruck) -> None:
        first, *rest = edition.ranks
        forged = replace(edition, edition=3, ranks=(replace(first, trades=7), *rest))
        logged.tell((ACME, forged))
        logged.tell((ACME, replace(forged, edition=4, calculation="contests 1")))
        logged.tell((ACME, replace(edition, edition=5, calculation="contests 1")))
        rebuild(MODEL, logged.log, logged.conninfo)
        *_, last, otherwise, same = prove(logged.log, logged.conninfo, tenant=ACME, contest=CUP)

        assert (last.differing, last.is_comparable) == ((first.participant,), True)
        which = f"acme cup 2024-03-04 edition 3, position {last.position}"
        assert described(last) == f"{which}: {first.participant}"
        assert (otherwise.holds, otherwise.is_comparable) == (False, False)
        assert described(otherwise).endswith(
            f": not comparable: struck by calculation contests 1, this build calculates by "
            f"{CALCULATION}"
        )
        assert (same.holds, same.is_comparable) == (True, True)

    def test_ranks_as_of_any_position(self, log: Log, log_database: Database, story: Story) -> None:
        """Before the first session, at it, and before and after what changed it."""
        logged = Logged(log, log_database, story)
        begun = logged.tell(*funded("a", "b"), announced(), entered("p-a"), entered("p-b"), BUYS)
        rose = logged.tell(closed(2, {"AAPL": "11"}))
        fell = logged.tell(corrected(2, "AAPL", "9"))
        out = logged.tell(disqualified("b"))
        expected = {
            begun: [],
            rose: ["1 a 0.05", "2 b 0"],
            fell: ["1 b 0", "2 a -0.05"],
            out: ["1 a -0.05", "- b disqualified"],
        }

        found = {
            position: shown(
                ranks_at(log, logged.conninfo, tenant=ACME, contest=CUP, position=position)
            )
            for position in expected
        }

        assert found == expected
