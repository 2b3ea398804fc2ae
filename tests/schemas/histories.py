"""Histories of portfolios told to a desk in memory: late, amended, busted, in pages, ruled over."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import book
from domain.correcting import Amend
from domain.lots import Side
from domain.portfolio import booking, restating
from domain.portfolio.events import (
    CashSettled,
    PortfolioEvent,
    TradeBooked,
    book_of,
    is_portfolio_event,
)
from tests.domain.blotter import LATER, Blotter, Bust, Message, Registration
from tests.domain.scenes import APPLE, FUND, MONDAY, TUESDAY, minutes, name_of, told
from tests.schemas.portfolio_samples import PORTFOLIO_SAMPLES

OTHER_EVENTS = tuple(each[0] for each in PORTFOLIO_SAMPLES.values() if book_of(each[0]) is None)
"""What may stand anywhere: of no book, as those are told with their lots and nothing between."""

_contents = st.fixed_dictionaries(
    {
        "instrument": st.sampled_from([APPLE, APPLE, APPLE, LATER]),
        "side": st.sampled_from([Side.BUY, Side.BUY, Side.SELL]),
        "quantity": st.integers(1, 9).map(Decimal),
        "price": st.integers(1, 9).map(Decimal),
        "fee": st.sampled_from([Decimal(0), Decimal(1)]),
        "trade_date": st.sampled_from([MONDAY, TUESDAY]),
        "closes": st.lists(st.integers(0, 11), max_size=2, unique=True).map(
            lambda numbers: tuple(name_of(f"t-{number}") for number in numbers)
        ),
    }
)


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    """Messages of some trades of one portfolio, in any order; LATER appears among them."""
    found: list[Message] = [Registration()]
    for number in range(draw(st.integers(1, 12))):
        content = draw(_contents)
        if content["trade_date"] == MONDAY:
            content["executed_at"] = minutes(draw(st.integers(0, 60)))
        found.append(told(f"t-{number}", **content))
        change = draw(st.sampled_from(["none", "none", "amended", "busted"]))
        if change == "amended":
            found.append(Amend(1, told(f"t-{number}", **draw(_contents))))
        elif change == "busted":
            found.append(Bust(f"t-{number}"))
    return draw(st.permutations(found))


def events_of(blotter: Blotter) -> list[PortfolioEvent]:
    """The stream of the one portfolio, as the log would have it."""
    return [
        event
        for command in blotter.commands
        for event in command
        if is_portfolio_event(event) and event.portfolio == FUND
    ]


def ruled_over(events: list[PortfolioEvent], places: list[int]) -> list[PortfolioEvent]:
    """The same with other events between them: settlements, fees, titles, closed books."""
    found = list(events)
    for place, event in zip(places, OTHER_EVENTS, strict=False):
        found.insert(1 + place % len(found), cast("PortfolioEvent", replace(event, portfolio=FUND)))
    for place, booked in enumerate(found, start=1):
        if isinstance(booked, TradeBooked) and booked.fill.value_date is not None:
            found.insert(place, _settled(booked.fill.value_date, booked.cash_change))
            break
    return found


def _settled(value_date: date, amount: Decimal) -> CashSettled:
    return CashSettled(
        portfolio=FUND,
        value_date=value_date,
        currency="USD",
        amount=amount,
        settled_after=Decimal(9_993),
    )


@contextmanager
def narrow_bounds() -> Iterator[None]:
    """Pages of two, a checkpoint every two fills, and books that remember three steps."""
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(booking, "LOTS_PER_EVENT_MAX", 2)
        bounds.setattr(restating, "LOTS_PER_EVENT_MAX", 2)
        bounds.setattr(restating, "CHANGES_PER_EVENT_MAX", 2)
        bounds.setattr(book, "CHECKPOINT_FILLS", 2)
        bounds.setattr(book, "STEPS_MAX", 3)
        bounds.setattr(book, "STEPS_OF_UNTIMED_DAY_MAX", 3)
        bounds.setattr(book, "REMEMBERED", timedelta(minutes=5))
        yield
