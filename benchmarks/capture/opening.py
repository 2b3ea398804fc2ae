"""Opening the benchmark's market, portfolios, cash and limits through the public API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from benchmarks.capture.clients import Client
from benchmarks.capture.load import (
    CALENDAR,
    CURRENCY,
    HOT,
    INSTRUMENTS,
    Request,
    http_request,
    portfolio_names,
    price_of,
)
from benchmarks.capture.sending import Doors
from infra.errors import OperatorError

NOT_TRADED = "NOT-TRADED"
CASH = "1000000000000"
CLIENTS = 16
LIMITED_PORTFOLIOS = 400
"""How many have a limit of their own: a tenant has at most 500 limits."""

USAGE_AGE_MS_MAX = 60_000
MARKED_BEFORE = timedelta(minutes=1)


def open_everything(doors: Doors, *, market_token: str) -> None:
    """Register and mark instruments, open portfolios, give them cash, set every limit.

    Raises:
        OperatorError: something was refused that had to be accepted.
    """
    began_at = doors.began_at
    _send(doors, [list(market_requests(market_token, at=began_at - MARKED_BEFORE))])
    openings: list[list[Request]] = [[] for _ in range(CLIENTS)]
    for number, name in enumerate((*portfolio_names(doors.portfolios), HOT)):
        openings[number % CLIENTS] += portfolio_requests(doors.tokens[0], name, at=began_at)
    _send(doors, openings)
    settings: list[list[Request]] = [[] for _ in range(CLIENTS)]
    for number, request in enumerate(limit_requests(doors, limits(doors.portfolios))):
        settings[number // 2 % CLIENTS].append(request)  # An approval follows its proposal.
    _send(doors, settings)


def market_requests(token: str, *, at: datetime) -> Iterator[Request]:
    """Register every instrument, and mark all of them at a moment."""
    for name in (*INSTRUMENTS, NOT_TRADED):
        yield _post("/v1/instruments", token, f"register-{name}", {
            "instrument": name, "symbol": name, "currency": CURRENCY, "asset_class": "equity",
            "calendar": CALENDAR, "sector": "Technology",
        })  # fmt: skip
    marks = [
        {"instrument": name, "price": f"{price_of(number)}.50"}
        for number, name in enumerate(INSTRUMENTS)
    ]
    yield _post("/v1/marks", token, "marks", {"at": at.isoformat(), "marks": marks})


def portfolio_requests(token: str, name: str, *, at: datetime) -> Iterator[Request]:
    """Open a portfolio and give it cash."""
    yesterday = (at - timedelta(days=1)).date().isoformat()
    yield _post("/v1/portfolios", token, f"open-{name}", {
        "portfolio": name, "base_currency": CURRENCY, "calendar": CALENDAR,
    })  # fmt: skip
    yield _post(f"/v1/portfolios/{name}/deposits", token, f"cash-{name}", {
        "amount": CASH, "currency": CURRENCY, "value_date": yesterday,
    })  # fmt: skip


def harden(doors: Doors) -> None:
    """Make every soft limit a hard one, which is counted in the transaction that books.

    Raises:
        OperatorError: it was refused.
    """
    soft = {
        name: {key: told for key, told in terms.items() if key != "usage_age_ms_max"}
        for name, terms in limits(doors.portfolios).items()
        if "binding" in terms
    }
    hard = {name: terms | {"binding": "hard"} for name, terms in soft.items()}
    _send(doors, [list(limit_requests(doors, hard, version=2))])


def limit_requests(
    doors: Doors, told: dict[str, dict[str, Any]], *, version: int = 1
) -> Iterator[Request]:
    """Propose limits; a second person approves each."""
    one, other = doors.tokens[:2]
    for name, terms in told.items():
        key = f"{name}-{version}"
        yield _post("/v1/limits", one, f"limit-{key}", {"limit": name, "terms": terms})
        path = f"/v1/limits/{name}/approvals"
        yield _post(path, other, f"approve-{key}", {"version": version})


def limits(portfolios: int) -> dict[str, dict[str, Any]]:
    """Say what each limit is: wide enough for every trade of the load; soft where portfolios share.

    So a trade has two events, its own and its booking (convention 15); see `harden`.
    """
    shared = {"binding": "soft", "usage_age_ms_max": USAGE_AGE_MS_MAX}
    everywhere: dict[str, Any] = {"scope": {}}
    money = {"currency": CURRENCY}
    by_rule: dict[str, dict[str, Any]] = {
        "price_far_from_mark": {"maximum": "0.1"},
        "mark_stale": {"maximum": "86400"},
        "trade_quantity_exceeded": {"maximum": "1000000"},
        "trade_notional_exceeded": {"maximum": "1000000000", **money},
        "day_notional_exceeded": {"maximum": "1000000000000000", **shared, **money},
        "day_quantity_exceeded": {"maximum": "1000000000000000", **shared},
        "leverage_exceeded": {"maximum": "1000"},
        "position_concentration_exceeded": {"maximum": "1"},
        "sector_concentration_exceeded": {"maximum": "1"},
        "currency_not_allowed": {"currencies": ["EUR", CURRENCY]},
        "outside_session": {},
        "instrument_restricted": {"scope": {"instrument": NOT_TRADED}},
    }
    told = {
        rule.replace("_", "-"): {**everywhere, "rule": rule, **terms}
        for rule, terms in by_rule.items()
    }
    day = {"rule": "day_quantity_exceeded", "maximum": "1000000000000"}
    return told | {
        f"day-{name}": {**day, "scope": {"portfolio": name}}
        for name in (*portfolio_names(portfolios)[:LIMITED_PORTFOLIOS], HOT)
    }


def _post(path: str, token: str, key: str, body: dict[str, Any]) -> Request:
    return Request(http_request(path, token, key, msgspec.json.encode(body)), 1, ())


def _send(doors: Doors, requests: Sequence[Sequence[Request]]) -> None:
    asyncio.run(_send_all(doors, [each for each in requests if each]))


async def _send_all(doors: Doors, requests: Sequence[Sequence[Request]]) -> None:
    loop = asyncio.get_running_loop()

    async def opened(each: Sequence[Request]) -> Client:
        client = Client(each, lambda _: False, time.monotonic)
        await loop.create_connection(lambda: client, doors.host, doors.port)
        return client

    for client in [await opened(each) for each in requests]:
        await client.ended
        for answer in client.answers:
            if answer.problem:
                raise OperatorError(f"The benchmark cannot be opened: {answer.problem}")
