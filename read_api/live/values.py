"""What is held at its value, followed: a mark moves every position in its instrument.

Asked anew, each of those rows would be joined, valued and encoded again. Who follows remembers what
its topics hold, so that the database is asked for what changed alone, and a row that only its price
moved costs a product and a few joins of text: 4 µs, where it was 15 beside a join in the database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeAlias

import msgspec

from domain.marks import is_stale
from domain.money import average
from projections.asking import Readable, State, snapshot
from projections.positions.changed import (
    Booked,
    Priced,
    booked_of,
    priced_of,
    valued_alone,
    view_of,
)
from projections.positions.queries import PriceSource
from read_api.live.destinations import Row, Told, Topic, Topics, Written
from read_api.shaping import Position, plain, shaped

NOT_ASKED = -1

Places: TypeAlias = Mapping[Topic, Iterable[str]]
"""Positions: whose, and in which instruments."""

_encode = msgspec.json.Encoder().encode


class _Held(NamedTuple):
    """A position as remembered: its text up to and behind what its instrument tells."""

    booked: Booked
    named: str
    held: str
    changed: str


class _Price(NamedTuple):
    """An instrument as remembered: its own text, and that of its price, if it has one."""

    priced: Priced
    classified: str
    told: str | None


class _Standing(NamedTuple):
    """Where an answer is of, and the places whose value may have moved since the last one."""

    position: int
    market_position: int
    moved: Places


class ValuesFollowed:
    """Tells what the query of positions says, of topics that are asked again and again.

    It stands at a position of its own, that of its memory, so it may be asked behind any other. The
    memory holds what the asked topics hold or held, about a kilobyte a position; it goes with them,
    and with the edition of the tables. One thread asks at a time.
    """

    def __init__(self) -> None:
        self._held: dict[Topic, dict[str, _Held]] = {}
        self._prices: dict[str, _Price] = {}
        self._stands = State(NOT_ASKED, 0)

    def __call__(self, readable: Readable, topics: Sequence[Topic], after: int) -> Told:
        """Tell the positions whose value may have changed behind a position; closed ones go out.

        Raises:
            ReadModelMissing: there are no tables yet.
        """
        seen = {} if readable.seen is None else readable.seen
        with snapshot(readable):
            asked = readable._replace(seen=seen)
            stood = self._stands.position
            standing = self._catch_up(asked, topics)
            moved = standing.moved if after >= stood else self._held
            rows = list(self._rows(asked, moved, after))
        return Told(standing.position, standing.market_position, rows)

    def _catch_up(self, readable: Readable, topics: Sequence[Topic]) -> _Standing:
        """Take in what changed since the last question; give where that is, and what moved."""
        self._held = {topic: self._held.get(topic, {}) for topic in topics}
        owners = Topics.kept(topics).owners if any(self._held.values()) else []
        found = booked_of(readable, owners, after=self._stands.position)
        assert readable.seen is not None, "the edition is asked with the rows"
        (state,) = readable.seen.values()
        if state.edition != self._stands.edition:
            self._held, self._prices = {topic: {} for topic in topics}, {}
        # One without any position is asked whole: nothing may be remembered of it.
        owners = [topic.owner for topic, held in self._held.items() if not held]
        begun = booked_of(readable, owners, after=None).rows if owners else []
        known = [row for row in found.rows if self._held[Topic.of(*row[:2])]]
        moved: dict[Topic, dict[str, None]] = {}
        for booked in map(Booked._make, [*known, *begun]):
            topic = Topic.of(booked.tenant, booked.portfolio)
            self._held[topic][booked.instrument] = _held(booked)
            moved.setdefault(topic, {})[booked.instrument] = None
        priced = self._catch_up_prices(readable)
        for topic, held in self._held.items() if priced else ():
            moved.setdefault(topic, {}).update(dict.fromkeys(priced & held.keys()))
        self._stands = State(found.position, state.edition)
        return _Standing(found.position, found.market_position, moved)

    def _catch_up_prices(self, readable: Readable) -> set[str]:
        """Take in what values the instruments that are held; name those it changed for."""
        named = set[str]().union(*self._held.values())
        last = {name: self._prices[name].priced.told for name in named & self._prices.keys()}
        found = priced_of(readable, {name: last.get(name, NOT_ASKED) for name in named})
        self._prices = {name: self._prices[name] for name in last}
        self._prices.update((each.instrument, _price(each)) for each in found)
        return {each.instrument for each in found}

    def _rows(self, readable: Readable, places: Places, after: int) -> Iterator[Row]:
        split: dict[tuple[Topic, str], int] = {}
        for topic, names in places.items():
            positions = self._held[topic]
            for name in names:
                held, price = positions[name], self._prices[name]
                booked = held.booked
                changed = booked.changed_position
                told = max(changed, price.priced.told)
                if told <= after:
                    continue
                if not booked.quantity:
                    if changed > after:
                        yield Row(topic, name, changed, None)
                elif price.priced.is_split:
                    split[topic, name] = told
                elif price.told is None:
                    yield Row(topic, name, told, shaped(Position, view_of(booked, price.priced)))
                else:
                    yield Row(topic, name, told, _text(held, price))
        yield from _rows_alone(readable, split)


def _rows_alone(readable: Readable, wanted: Mapping[tuple[Topic, str], int]) -> Iterator[Row]:
    """Ask for positions in instruments that were split."""
    if not wanted:
        return
    owners = {topic.owner for topic, _ in wanted}
    names = {name for _, name in wanted}
    for owner, view in valued_alone(readable, sorted(owners), sorted(names)):
        topic = Topic.of(*owner)
        told = wanted.get((topic, view.instrument))
        if told is not None:
            yield Row(topic, view.instrument, told, shaped(Position, view))


def _text(held: _Held, price: _Price) -> Written:
    """Write a position in an instrument with a price, as `Position` is written."""
    booked = held.booked
    assert price.priced.price is not None, "it has a price"
    value = booked.quantity * price.priced.price
    return Written(
        f'{held.named}{price.classified}{held.held}{price.told}"market_value":"{digits(value)}",'
        f'"unrealised_gross":"{digits(value - booked.cost)}",{held.changed}'
    )


def digits(number: Decimal) -> str:
    """Write a number as its canonical form is written, at half the cost."""
    text = str(number)  # A part of what `format` takes, and the same but for the exponent.
    if "E" in text:
        text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _held(booked: Booked) -> _Held:
    quantity, cost = booked.quantity, booked.cost
    return _Held(
        booked,
        "{" + _members(portfolio=booked.portfolio, instrument=booked.instrument),
        _members(
            cost_basis=booked.cost_basis,
            currency=booked.currency,
            quantity=quantity,
            cost=cost,
            average_cost=average(cost, quantity),
            fees=booked.fees,
            realised_gross=booked.realised_gross,
            realised_net=booked.realised_net,
        ),
        f'"changed_position":{booked.changed_position}}}',
    )


def _price(priced: Priced) -> _Price:
    classified = _members(
        symbol=priced.symbol, sector=priced.sector, asset_class=priced.asset_class
    )
    if priced.price is None:
        return _Price(priced, classified, None)
    assert priced.price_at is not None, "a mark has a time"
    assert priced.price_source is not None, "a mark has a source"
    source = PriceSource(priced.price_source)
    is_inactive = priced.is_suspended or priced.is_delisted
    told = _members(
        price=priced.price,
        price_source=source,
        price_at=priced.price_at,
        price_date=None,
        is_stale=is_stale(
            priced.price_at,
            fresh_from=priced.fresh_from,
            is_written_down=source is PriceSource.WRITE_DOWN,
            is_inactive=is_inactive,
        ),
        is_suspended=priced.is_suspended,
        is_delisted=priced.is_delisted,
    )
    return _Price(priced, classified, told)


def _members(**members: object) -> str:
    """Write members of a JSON object, a comma behind each."""
    written = _encode({name: plain(each) for name, each in members.items()})
    return written[1:-1].decode() + ","
