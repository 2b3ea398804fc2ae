"""A sitting is asked in one message; what fails there is asked alone, and spoils nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from infra.database import Database
from projections.asking import ReadModelMissing
from projections.changed import TooMuchChanged
from projections.reading import Reading
from projections.together import Found, Wanted
from read_api.live.asker import Answer, Asker, Asking
from read_api.live.destinations import Destination, Rows, Topic, Topics
from read_api.live.registry import BOOKED, CASH, live_destinations
from read_api.live.streams import Question, Stream
from tests.read_api.conftest import OWNER, Teller

SITTING = [each for each in live_destinations() if each.sitting == BOOKED]


class ReadingNoted(Reading):
    """Notes how often it is asked together, and of how many questions."""

    noted: tuple[int, ...] = ()

    def together(self, wanted: Sequence[Wanted]) -> list[Found | None]:
        """Ask at once."""
        self.noted += (len(wanted),)
        return super().together(wanted)


@pytest.fixture
def reading(database: Database, story: Teller) -> Iterator[ReadingNoted]:
    """Read the story."""
    with ReadingNoted(database.app_conninfo) as made:
        yield made


def asking(reading: Reading, destination: Destination) -> Asking:
    """Ask for all that ever changed in a portfolio of the story."""
    names = ("growth",) if "{portfolio}" in destination.pattern else ()
    stream = Stream(destination, reading.partitions, destination.pattern)
    return Asking(stream, Question(Topics([Topic(OWNER, names)]), 0, None))


def alone(reading: Reading, wanted: Asking) -> Answer:
    """Ask alone."""
    return Asker(reading).answer(wanted.stream, wanted.changes, is_of_one_snapshot=False)


def test_a_sitting_is_one_message(reading: ReadingNoted) -> None:
    """Its answers are those of its questions asked alone."""
    wanted = [asking(reading, each) for each in SITTING]
    assert len(wanted) == 4

    answers = Asker(reading).changes(wanted)

    assert reading.noted == (4,)
    assert answers == [alone(reading, each) for each in wanted]
    assert sum(not isinstance(each, Exception) and bool(each[0].rows) for each in answers) == 3


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"model": "nowhere"}, ReadModelMissing), ({"limit": 0}, TooMuchChanged)],
    ids=["no tables", "too much"],
)
def test_one_that_fails_is_nobody_elses_fault(
    reading: ReadingNoted, changed: dict[str, Any], reason: type[Exception]
) -> None:
    """The others have their answers; it has its reason."""

    def question(topics: Sequence[Topic], after: int | None) -> Any:  # noqa: ANN401
        return CASH.question(topics, after)._replace(**changed)

    trades, cash, alerts = (
        next(each for each in SITTING if each.model == name)
        for name in ("trades", "cash", "alerts")
    )
    failing = cash._replace(model=changed.get("model", "cash"), changes=Rows(question, CASH.row))
    wanted = [asking(reading, each) for each in (trades, failing, alerts)]

    one, failed, other = Asker(reading).changes(wanted)

    assert isinstance(failed, reason)
    assert one == alone(reading, wanted[0])
    assert other == alone(reading, wanted[2])
