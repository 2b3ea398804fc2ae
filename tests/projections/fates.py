"""Trades and their fates: what is told of them first, and what holds in the end."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple
from uuid import UUID

from hypothesis import strategies as st

from domain.lots import CostBasis
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

INSTRUMENTS = ("AAPL", "TSLA", "MSFT")
PORTFOLIOS = ((ACME, "one"), (ACME, "two"), (GLOBEX, "one"))

days = st.integers(0, 3).map(lambda number: DAY_ONE + timedelta(days=number))
prices = st.integers(1, 40).map(lambda quarters: str(Decimal(quarters) / 4))
quantities = st.integers(-6, 6).filter(bool).map(str)


class Content(NamedTuple):
    """What a trade says."""

    quantity: str
    price: str
    fee: str
    day: date


class Fated(NamedTuple):
    """A trade, what becomes of it, and so many trades later: nothing, a bust, or an amend."""

    tenant: str
    portfolio: str
    instrument: str
    content: Content
    fate: Content | str | None
    after: int

    @property
    def final(self) -> Content | None:
        """What holds in the end."""
        if self.fate is None:
            return self.content
        return self.fate if isinstance(self.fate, Content) else None


contents = st.builds(Content, quantities, prices, st.sampled_from(("0", "0.10", "1")), days)


@st.composite
def fated_trades(draw: st.DrawFn) -> Fated:
    """A trade that stays, or is busted or amended."""
    fate = draw(st.none() | st.just("bust") | contents)
    return Fated(
        *draw(st.sampled_from(PORTFOLIOS)),
        draw(st.sampled_from(INSTRUMENTS)),
        draw(contents),
        fate,
        draw(st.integers(0, 8)),
    )


def begun() -> Story:
    """All instruments and portfolios, and cash."""
    story = Story()
    story.register(*INSTRUMENTS)
    for number, (tenant, portfolio) in enumerate(PORTFOLIOS):
        story.open(
            portfolio, tenant=tenant, basis=CostBasis.AVERAGE if number == 1 else CostBasis.FIFO
        )
        story.deposit(portfolio, "100", tenant=tenant)
    return story


def take(story: Story, fated: Fated, content: Content) -> UUID:
    """Tell a trade."""
    return story.trade(
        fated.portfolio,
        fated.instrument,
        content.quantity,
        content.price,
        tenant=fated.tenant,
        fee=content.fee,
        day=content.day,
    )


def as_it_went(plan: Sequence[Fated], look: Callable[[Story], None] = lambda _: None) -> Story:
    """Each trade as first told, with its correction so many trades later; `look` after each."""
    story = begun()
    due: dict[int, list[partial[None]]] = defaultdict(list)
    for number, fated in enumerate(plan):
        trade_id = take(story, fated, fated.content)
        look(story)
        if isinstance(fated.fate, Content):
            quantity, price, fee, day = fated.fate
            correct = partial(story.amend, trade_id, quantity, price, fee=fee, day=day)
            due[number + fated.after].append(correct)
        elif fated.fate is not None:
            due[number + fated.after].append(partial(story.bust, trade_id))
        for correct in due.pop(number, []):
            correct()
            look(story)
    for number in sorted(due):
        for correct in due[number]:
            correct()
            look(story)
    return story


def as_it_should_have(plan: Sequence[Fated]) -> Story:
    """Only what holds in the end."""
    story = begun()
    for fated in plan:
        if fated.final is None:
            story.skip_name()
        else:
            take(story, fated, fated.final)
    return story
