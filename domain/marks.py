"""Marks of instruments as they were told: what was in force at an instant (convention 5).

A mark, a close and a write-down are prices from their business time on; of two with one business
time the later told counts. Of each instrument only the newest are remembered.
"""

from bisect import bisect_right
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec


def is_stale(
    at: datetime,
    *,
    fresh_from: datetime | None,
    is_written_down: bool = False,
    is_inactive: bool = False,
) -> bool:
    """Say whether a price in force since `at` is stale: the one rule, of marks and own executions.

    It is where it was told before `fresh_from`, the start of the session that closed last (none
    has: nothing is stale), or of what does not trade; a write-down never is.
    """
    if is_written_down:
        return False
    return is_inactive or (fresh_from is not None and at < fresh_from)


MARKS_REMEMBERED = 32
"""Marks held of each instrument, the newest by business time."""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """A price in the instrument's currency, since when it is in force, and where the log tells it.

    It is told in the units of the day of `at`; a close may be corrected, by its `at`.
    """

    at: datetime
    price: Decimal
    position: int
    is_close: bool = False


class Remembered(NamedTuple):
    """The newest marks of an instrument, oldest first; nothing is known up to `forgotten_at`."""

    quotes: tuple[Quote, ...] = ()
    forgotten_at: datetime | None = None


UNKNOWN = Remembered()


class Marks:
    """What was told of every instrument; what is remembered of one is replaced, never changed.

    `version` is another object whenever anything was told.
    """

    __slots__ = ("of", "version")

    def __init__(self) -> None:
        self.of: dict[str, Remembered] = {}
        self.version = object()

    def fork(self) -> "Marks":
        """Copy, so that the twin can be told more without touching this one."""
        twin = Marks()
        twin.of, twin.version = self.of.copy(), self.version
        return twin

    def in_force(self, instrument: str, at: datetime) -> Quote | None:
        """Give the mark in force at an instant; None where none was told, or it is forgotten."""
        quotes = self.of.get(instrument, UNKNOWN).quotes
        if quotes and quotes[-1].at <= at:
            return quotes[-1]
        place = bisect_right(quotes, at, key=_at)
        return quotes[place - 1] if place else None

    def is_forgotten(self, instrument: str, at: datetime) -> bool:
        """Say whether a mark may have been in force then that is not remembered."""
        known = self.of.get(instrument, UNKNOWN)
        if known.forgotten_at is None:
            return False
        return not known.quotes or at < known.quotes[0].at

    def take(self, instrument: str, quote: Quote) -> None:
        """Remember a mark, if it is among the newest."""
        known = self.of.get(instrument, UNKNOWN)
        if known.forgotten_at is not None and quote.at <= known.forgotten_at:
            return
        self.version = object()
        quotes, forgotten_at = known
        if not quotes or quotes[-1].at <= quote.at:
            quotes = (*quotes, quote)
        else:
            place = bisect_right(quotes, quote.at, key=_at)
            quotes = (*quotes[:place], quote, *quotes[place:])
        if len(quotes) > MARKS_REMEMBERED:
            forgotten_at, quotes = quotes[0].at, quotes[1:]
        self.of[instrument] = Remembered(quotes, forgotten_at)

    def take_close(self, instrument: str, at: datetime, price: Decimal | None, place: int) -> None:
        """Remember a close told at a place in the log, instead of the session's earlier one.

        Without a price there is none any more.
        """
        known = self.of.get(instrument, UNKNOWN)
        if known.quotes and known.quotes[-1].at >= at:
            others = tuple(each for each in known.quotes if not (each.is_close and each.at == at))
            if len(others) < len(known.quotes):
                self.version = object()
                self.of[instrument] = known._replace(quotes=others)
        if price is not None:
            self.take(instrument, Quote(at, price, place, is_close=True))


NO_MARKS = Marks()


def _at(quote: Quote) -> datetime:
    return quote.at
