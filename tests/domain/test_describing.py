"""What a portfolio is called, who answers for it, what it is compared with."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.event import Event
from domain.portfolio.describing import assign_benchmark, assign_owner, rename
from domain.portfolio.life import BenchmarkAssigned, OwnerAssigned, PortfolioRenamed
from domain.portfolio.standing import Said
from domain.portfolio.state import Portfolio
from domain.rejection import Rejection
from tests.domain.scenes import FUND, MONDAY, TUESDAY, portfolio

Say = Callable[..., Event | Said]

SAYINGS = [
    pytest.param(
        rename,
        [{"title": "Growth"}, {"title": "Growth fund"}],
        PortfolioRenamed(portfolio=FUND, title="Growth"),
        id="title",
    ),
    pytest.param(
        assign_owner,
        [{"owner": "user-1"}, {"owner": "user-2"}],
        OwnerAssigned(portfolio=FUND, owner="user-1"),
        id="owner",
    ),
    pytest.param(
        assign_benchmark,
        [{"benchmark": "SPX", "from_date": MONDAY}, {"benchmark": "SPX", "from_date": TUESDAY}],
        BenchmarkAssigned(portfolio=FUND, benchmark="SPX", from_date=MONDAY),
        id="benchmark",
    ),
]


@pytest.mark.parametrize(("say", "contents", "event"), SAYINGS)
class TestDescribing:
    """Each is said by an event; saying again what stands is no news."""

    def test_says_it(self, say: Say, contents: list[dict[str, Any]], event: Event) -> None:
        """Whole."""
        assert say(portfolio(), name=FUND, **contents[0]) == event

    def test_tells_where_it_was_said(
        self, say: Say, contents: list[dict[str, Any]], event: Event
    ) -> None:
        """The same again is the first saying."""
        held = portfolio()
        held.apply(event)  # type: ignore[arg-type]

        assert say(held, name=FUND, **contents[0]) == Said(2, event)

    def test_says_it_anew_once_something_else_was_said(
        self, say: Say, contents: list[dict[str, Any]], event: Event
    ) -> None:
        """One, another, the first again: three events."""
        held = portfolio()
        for content in contents:
            held.apply(say(held, name=FUND, **content))  # type: ignore[arg-type]

        assert say(held, name=FUND, **contents[0]) == event
        assert held.version == 3

    def test_needs_an_open_portfolio(
        self, say: Say, contents: list[dict[str, Any]], event: Event
    ) -> None:
        """Never opened is unknown."""
        for nowhere in (None, Portfolio()):
            with pytest.raises(Rejection) as refused:
                say(nowhere, name=FUND, **contents[0])
            assert refused.value.code == "portfolio_unknown", event
