"""Asking at a position: what is absent before it may be there at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import pytest
from msgspec.json import encode

from eventstore.partitions import Partition
from gateway.interface import Call, not_found
from gateway.problem import Problem
from projections.reading import Reading, Sitting
from read_api.asking import Asked, Asking

WANTED = 490


class Answer(NamedTuple):
    """What a question finds."""

    position: int


class Tables(Reading):
    """Tables of a portfolio opened at 490; each look finds them at the next of `stands`."""

    def __init__(self, *stands: int) -> None:
        super().__init__("")
        self.stands = list(stands)
        self.looks = 0

    def answer(
        self,
        question: Callable[..., Any],
        partitions: tuple[Partition, ...] | None = None,
        sitting: Sitting | None = None,
    ) -> Any:  # noqa: ANN401
        """Find the portfolio, or not yet."""
        position = self._next()
        if position < WANTED:
            raise not_found()
        return Answer(position)

    def positions(self, schemas: Iterable[str]) -> dict[str, int | None]:
        """Tell where they stand."""
        self.looks += 1
        return dict.fromkeys(schemas, self._next())

    def _next(self) -> int:
        return self.stands.pop(0) if len(self.stands) > 1 else self.stands[0]


def asked(tables: Tables, wanted: int, seconds: float) -> bytes:
    """Ask with a hint that claims 500, as a crash leaves it or another installation gives it."""

    async def ask() -> bytes:
        asking = Asking(tables)
        for model in ("positions", "cash"):
            asking.watch.heard(model, 500)
        parameters = Asked(min_position=wanted, wait_seconds=seconds)
        call = Call(cast(Any, None), cast(Any, None), cast(Any, None), parameters)
        try:
            response = await asking.answer(call, "cash", lambda _: Answer(0))
            return bytes(response.body)
        finally:
            asking.close()

    return asyncio.run(ask())


class TestWhatIsAbsent:
    """`not_found` holds only at the position asked for."""

    @pytest.mark.parametrize("stands", [(480, 490), (480, 480, 480, 495)])
    def test_is_waited_for(self, stands: tuple[int, ...]) -> None:
        """Tables behind their own announcements: the portfolio was opened at 490."""
        assert asked(Tables(*stands), WANTED, 20) == encode(Answer(stands[-1]))

    def test_is_not_said_to_be_absent_before_the_position(self) -> None:
        """At the deadline the tables still are behind."""
        with pytest.raises(Problem) as caught:
            asked(Tables(480), WANTED, 0.1)

        assert caught.value.code == "position_not_reached"

    @pytest.mark.parametrize(("wanted", "looks"), [(0, 0), (480, 1)])
    def test_is_absent_at_the_position(self, wanted: int, looks: int) -> None:
        """The checkpoints are looked at once, and only where a position was asked for."""
        tables = Tables(480)

        with pytest.raises(Problem) as caught:
            asked(tables, wanted, 20)

        assert caught.value.code == "not_found"
        assert tables.looks == looks
