"""What is asked: every query of the application's own OpenAPI document, its parameters filled in.

Required parameters only: everything else stays as it is for somebody who asks for nothing special.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from benchmarks.universe import portfolio_name

NEEDED: Mapping[str, Mapping[str, str]] = {
    "/v1/portfolios/{portfolio}/risk/stress": {"market": "-0.1"},
    "/v1/portfolios/{portfolio}/risk/stress/explain": {"market": "-0.1"},
    "/v1/market/history": {"name": "{instrument}"},
    "/v1/sectors": {"currency": "{currency}"},
    "/v1/portfolios/{portfolio}/positions/bases/explain": {"instrument": "{instrument}"},
    "/v1/portfolios/{portfolio}/cash/explain": {"currency": "{currency}"},
    "/v1/portfolios/{portfolio}/performance/contributions/explain": {"name": "{instrument}"},
    "/v1/portfolios/{portfolio}/realised/explain": {"trade_id": "{trade_id}"},
    "/v1/contests/{contest}/proof": {"participant": "{participant}"},
    "/v1/contests/{contest}/struck-ranks": {"session": "{contest_session}"},
}
"""What a query needs that its document does not list, with names that are filled in."""

_ALTERNATIVES = re.compile(r"\^\(([^()]+)\)(?:\$|\\Z)")


class Address(NamedTuple):
    """A query by its path as declared, with the names that must be filled, and their choices."""

    path: str
    parts: tuple[str, ...]
    required: Mapping[str, tuple[str, ...]]


class Trade(NamedTuple):
    """A trade to ask for, in its portfolio."""

    trade_id: str
    portfolio: str


class Known(NamedTuple):
    """What there is to ask for: portfolios by number, what each holds, sales, and other names."""

    portfolios: int
    positions: int
    instruments: Sequence[str]
    sales: Sequence[Trade]
    names: Mapping[str, str]

    def instrument_of(self, portfolio: int, place: int) -> str:
        """Name what a portfolio holds in a place."""
        return self.instruments[(portfolio * 7 + place) % len(self.instruments)]


def addresses(document: Mapping[str, Any]) -> list[Address]:
    """List the queries of a document, without what only tells whether the process is well."""
    found = []
    for path, operations in sorted(document["paths"].items()):
        if not path.startswith("/v1/") or "get" not in operations:
            continue
        told = operations["get"].get("parameters", [])
        wanted = [each for each in told if each.get("required") and each["in"] == "query"]
        parts = tuple(each["name"] for each in told if each["in"] == "path")
        choices = {each["name"]: _choices(each["schema"], document) for each in wanted}
        choices |= {name: (value,) for name, value in NEEDED.get(path, {}).items()}
        found.append(Address(path, parts, choices))
    return found


def fill(address: Address, known: Known, draw: random.Random) -> str | None:
    """Write the target of one request; None where a name is asked for that nothing here has."""
    number = draw.randrange(known.portfolios)
    sale = draw.choice(known.sales)
    values = {
        **known.names,
        "portfolio": sale.portfolio if "trade_id" in address.required else portfolio_name(number),
        "instrument": known.instrument_of(number, draw.randrange(known.positions)),
        "trade_id": sale.trade_id,
    }
    if not values.keys() >= set(address.parts) or not all(address.required.values()):
        return None
    path = address.path
    for part in address.parts:
        path = path.replace(f"{{{part}}}", quote(values[part], safe=""))
    asked = {
        name: draw.choice(choices).format(**values) for name, choices in address.required.items()
    }
    return f"{path}?{urlencode(asked)}" if asked else path


def _choices(schema: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the values a parameter may have, where its schema lists them."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    listed = _ALTERNATIVES.fullmatch(schema.get("pattern", ""))
    return tuple(listed[1].split("|")) if listed else tuple(map(str, schema.get("enum", ())))
