"""Price portfolios from the topics alone: a reader that knows nothing of the system behind them.

It imports nothing but `confluent_kafka` and the standard library, and may be copied as a beginning:

    python stranger.py BOOTSTRAP REGISTRY_URL TOPIC

prints, for each portfolio (`tenant/portfolio`), the cash by currency, the open positions with the
mark in force, and what both are worth by currency: null while a position has no mark.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

SECONDS_MAX = 30.0
WATERMARK = "log.watermark.v1"


class GapFound(Exception):
    """A record is missing: its successor names a predecessor that was not there."""


@dataclass
class Event:
    """A record of an event: where it stands in the log, what it is, whose it is, what it says."""

    position: int
    kind: str
    tenant: str
    value: dict[str, Any]


@dataclass
class Place:
    """How far one partition was read: repeats are dropped, gaps are noticed."""

    position: int = 0
    last_event: int = 0

    def is_new(self, headers: dict[str, str]) -> bool:
        """Take one record's headers in; say whether it holds an event not seen before."""
        position = int(headers["ce_position"])
        if position <= self.position:
            return False
        self.position = position
        if headers["ce_type"] == WATERMARK:
            return False
        if int(headers["ce_previous"]) != self.last_event:
            raise GapFound(f"{headers['ce_previous']} is missing before {position}")
        self.last_event = position
        return True


@dataclass
class Prices:
    """The marks of all instruments: in force is the latest by its moment, then by its position."""

    ticks: dict[str, tuple[datetime, int, Decimal]] = field(default_factory=dict)
    closes: dict[str, dict[datetime, tuple[int, Decimal | None]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def take(self, event: Event) -> None:
        """Take a market event in."""
        value = event.value
        match event.kind:
            case "market.marked.v1":
                for mark in value["marks"]:
                    tick = (value["at"], event.position, Decimal(mark["price"]))
                    self.ticks[mark["instrument"]] = max(
                        tick, self.ticks.get(mark["instrument"], tick)
                    )
            case "market.session_closed.v1":
                for close in value["closes"]:
                    known = (event.position, Decimal(close["price"]))
                    self.closes[close["instrument"]][value["ends_at"]] = known
            case "market.close_corrected.v1":
                # A correction replaces the close of its session; without a price it cancels it.
                price = None if value["price"] is None else Decimal(value["price"])
                self.closes[value["instrument"]][value["ends_at"]] = (event.position, price)

    def in_force(self, instrument: str) -> Decimal | None:
        """Give an instrument's mark, if there is one."""
        found = [
            (at, position, price)
            for at, (position, price) in self.closes[instrument].items()
            if price is not None
        ]
        if instrument in self.ticks:
            found.append(self.ticks[instrument])
        return max(found)[2] if found else None


@dataclass
class Portfolio:
    """What a portfolio holds: cash by currency, signed quantities by instrument."""

    cash: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    quantities: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    currencies: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take an event of this portfolio in."""
        value = event.value
        match event.kind:
            case "portfolio.cash_deposited.v1":
                self.cash[value["amount"]["currency"]] += Decimal(value["amount"]["amount"])
            case "portfolio.cash_withdrawn.v1":
                self.cash[value["amount"]["currency"]] -= Decimal(value["amount"]["amount"])
            case "portfolio.trade_booked.v1":
                fill, instrument = value["fill"], value["instrument"]
                sign = 1 if fill["side"] == "buy" else -1
                self.quantities[instrument] += sign * Decimal(fill["quantity"])
                self.cash[value["currency"]] += Decimal(value["cash_change"])
                self.currencies[instrument] = value["currency"]

    def priced(self, prices: Prices) -> dict[str, Any]:
        """Say what is held and what it is worth; a sum is null while a mark is missing."""
        worth: dict[str, Decimal | None] = dict(self.cash)
        positions = {}
        for instrument, quantity in sorted(self.quantities.items()):
            if not quantity:
                continue
            price, currency = prices.in_force(instrument), self.currencies[instrument]
            value = None if price is None else quantity * price
            sum_before = worth.get(currency, Decimal())
            worth[currency] = None if value is None or sum_before is None else sum_before + value
            positions[instrument] = {"quantity": quantity, "price": price, "value": value}
        return {"cash": dict(self.cash), "positions": positions, "worth": worth}


def read_to_end(bootstrap: str, topic: str) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Give partition, headers and value of every record there was when the reading began."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "stranger", "enable.auto.commit": False}
    )
    try:
        known = consumer.list_topics(topic, timeout=SECONDS_MAX).topics[topic].partitions
        ends = {}
        for number in known:
            first, end = consumer.get_watermark_offsets(
                TopicPartition(topic, number), timeout=SECONDS_MAX
            )
            if end > first:
                ends[number] = end
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
        while ends:
            message: Any = consumer.poll(SECONDS_MAX)
            if message is None:
                raise TimeoutError(f"partitions {sorted(ends)} of {topic} end too early")
            if message.error():
                raise ConnectionError(str(message.error()))
            number = message.partition()
            if number in ends:
                headers = {name: value.decode() for name, value in message.headers()}
                yield number, headers, message.value()
                if message.offset() + 1 >= ends[number]:
                    del ends[number]
    finally:
        consumer.close()


def priced_portfolios(bootstrap: str, registry_url: str, topic: str) -> dict[str, Any]:
    """Fold every partition by itself: each holds all that its portfolios need."""
    read_value = AvroDeserializer(SchemaRegistryClient({"url": registry_url}))
    context = SerializationContext(topic, MessageField.VALUE)
    places: dict[int, Place] = defaultdict(Place)
    prices: dict[int, Prices] = defaultdict(Prices)
    portfolios: dict[int, dict[str, Portfolio]] = defaultdict(lambda: defaultdict(Portfolio))
    for partition, headers, encoded in read_to_end(bootstrap, topic):
        if not places[partition].is_new(headers):
            continue
        kind, tenant = headers["ce_type"], headers["ce_tenant"]
        value: Any = read_value(encoded, context)
        event = Event(int(headers["ce_position"]), kind, tenant, value)
        if kind.startswith("market."):
            prices[partition].take(event)
        elif kind.startswith("portfolio."):
            portfolios[partition][f"{tenant}/{value['portfolio']}"].take(event)
    return {
        name: portfolio.priced(prices[partition])
        for partition, of_partition in portfolios.items()
        for name, portfolio in of_partition.items()
    }


def main() -> None:
    """Print what was found as JSON, amounts as plain decimals."""
    found = priced_portfolios(*sys.argv[1:4])
    print(json.dumps(found, default=lambda amount: format(amount, "f"), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
