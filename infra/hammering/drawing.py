"""What the load consists of: requests drawn from a seed, good ones and deliberately bad ones.

Pure but for the clock it is handed. Business time stands in a past year and moves a day on whenever
the exchange ends a session, so that a short run closes many sessions.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.identity import MARKET_TENANT, command_id
from infra.hammering.ledger import Request

TENANTS = ("north", "south")
PORTFOLIOS = ("alpha", "beta", "gamma", "delta")
INSTRUMENTS = tuple(f"HMR{number:02}" for number in range(12))
LATE_INSTRUMENTS = tuple(f"LATE{number:02}" for number in range(40))
CALENDAR = "24/7"
FIRST_DAY = date(2023, 1, 2)
SESSION_LENGTH = timedelta(days=1)
BATCH_ITEMS = (5, 120)
ATOMIC_ITEMS_MAX = 30
KEPT_MAX = 200
_JSON = "application/json"
_NDJSON = "application/x-ndjson"

Body = dict[str, Any]


class BusinessTime:
    """The day that is traded, and how far it is; `day` moves on as sessions end."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._began = seconds()
        self.day = 0

    @property
    def session(self) -> date:
        """The session that is traded."""
        return FIRST_DAY + timedelta(days=self.day)

    @property
    def starts_at(self) -> datetime:
        """When it began."""
        return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) + timedelta(
            days=self.day
        )

    def now(self) -> datetime:
        """The present moment of that day, which passes as fast as a real one."""
        elapsed = min(self._seconds() - self._began, 86_000.0)
        return self.starts_at + timedelta(seconds=elapsed)

    def end_session(self) -> None:
        """Go on to the next day."""
        self._began = self._seconds()
        self.day += 1


class Sender:
    """Draws the requests of one client in its own name; every name is used once on purpose only."""

    def __init__(self, name: str, tenant: str, seed: int, time: BusinessTime) -> None:
        self.name = name
        self.tenant = tenant
        self._drawn = random.Random(f"{name} {seed}")
        self._time = time
        self._number = 0
        self._told: deque[Body] = deque(maxlen=KEPT_MAX)

    def chance(self, part: float) -> bool:
        """Draw whether something happens that happens in so large a part of the cases."""
        return self._drawn.random() < part

    def single(self) -> Request:
        """Draw one capture, sometimes one that must be refused or was told before."""
        return self._request("/v1/trades", self._trade())

    def cash(self) -> Request:
        """Draw a deposit, or a withdrawal that may ask for too much."""
        is_deposit = self.chance(0.6)
        body = {
            "amount": str(self._drawn.randrange(1, 10**4 if is_deposit else 10**9)),
            "currency": "USD",
            "at": self._time.now().isoformat(),
        }
        kind = "deposits" if is_deposit else "withdrawals"
        return self._request(f"/v1/portfolios/{self._drawn.choice(PORTFOLIOS)}/{kind}", body)

    def batch(self) -> Request:
        """Draw a batch: an array, lines of which some are malformed, or all or none."""
        kind = self._drawn.choice(("array", "lines", "atomic"))
        most = ATOMIC_ITEMS_MAX if kind == "atomic" else BATCH_ITEMS[1]
        count = self._drawn.randrange(BATCH_ITEMS[0], most)
        items = [self._trade(is_tame=kind == "atomic" and self.chance(0.97)) for _ in range(count)]
        key = self._next_name()
        lines = [msgspec.json.encode(item) for item in items]
        if kind == "lines" and self.chance(0.3):
            lines[self._drawn.randrange(count)] = b'{"quantity": 1}'
        return Request(
            client=self.name,
            tenant=self.tenant,
            path="/v1/trades:batch" + ("?atomic=true" if kind == "atomic" else ""),
            content=b"\n".join(lines) if kind == "lines" else b"[" + b",".join(lines) + b"]",
            key=key,
            commands=tuple(command_id(self.tenant, key, index) for index in range(count)),
            media_type=_NDJSON if kind == "lines" else _JSON,
            is_atomic=kind == "atomic",
        )

    def marks(self) -> Request:
        """Draw new prices of some instruments."""
        chosen = self._drawn.sample(INSTRUMENTS, self._drawn.randrange(1, len(INSTRUMENTS)))
        marks = [{"instrument": name, "price": self._price()} for name in chosen]
        return self._request("/v1/marks", {"at": self._time.now().isoformat(), "marks": marks})

    def close(self) -> Request:
        """End the session that is traded; the next one begins."""
        starts_at = self._time.starts_at
        body = {
            "calendar": CALENDAR,
            "session": self._time.session.isoformat(),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + SESSION_LENGTH).isoformat(),
            "closes": [{"instrument": name, "price": self._price()} for name in INSTRUMENTS],
        }
        self._time.end_session()
        return self._request("/v1/sessions", body)

    def registration(self, instrument: str) -> Request:
        """Register an instrument, perhaps once more."""
        body = {
            "instrument": instrument, "symbol": instrument, "currency": "USD",
            "asset_class": "equity", "calendar": CALENDAR,
        }  # fmt: skip
        return self._request("/v1/instruments", body)

    def late_registration(self) -> Request:
        """Register an instrument for which trades may be waiting."""
        return self.registration(self._drawn.choice(LATE_INSTRUMENTS))

    def opening(self, portfolio: str) -> list[Request]:
        """Open a portfolio and give it cash."""
        opening = {"portfolio": portfolio, "base_currency": "USD", "calendar": CALENDAR}
        deposit = {
            "amount": "100000000", "currency": "USD", "at": self._time.starts_at.isoformat(),
        }  # fmt: skip
        return [
            self._request("/v1/portfolios", opening),
            self._request(f"/v1/portfolios/{portfolio}/deposits", deposit),
        ]

    def misuse(self, request: Request) -> Request:
        """Draw a request that names another content with a key that is taken."""
        body = msgspec.json.encode(self._plain_trade())
        return msgspec.structs.replace(request, content=body)

    def pause_seconds(self, mean: float) -> float:
        """Draw how long to wait before the next request."""
        return self._drawn.expovariate(1 / mean)

    def _trade(self, *, is_tame: bool = False) -> Body:
        """Draw one trade: usually executed and fine; tame ones always are."""
        body = self._plain_trade()
        if not is_tame:
            self._spoil(body)
        return body

    def _spoil(self, body: Body) -> None:
        """Make a trade a special one, in about every fourth case."""
        match self._drawn.randrange(24):
            case 0 | 1:
                body["intent"] = "proposed"
            case 2:  # Refused: nobody holds so much cash.
                body |= {"intent": "proposed", "side": "buy", "quantity": "9000000000"}
            case 3:  # Waits for its instrument.
                body["instrument"] = self._drawn.choice(LATE_INSTRUMENTS)
            case 4 if self._told:  # Told before, under another key.
                body |= self._drawn.choice(self._told)
            case 5 if self._told:  # The name is taken by other content.
                body |= self._drawn.choice(self._told) | {"quantity": "7.77"}
            case 6:  # Told late: of an earlier day.
                body["executed_at"] = self._late().isoformat()

    def _plain_trade(self) -> Body:
        body = {
            "portfolio": self._drawn.choice(PORTFOLIOS),
            "external_id": self._next_name(),
            "intent": "executed",
            "instrument": self._drawn.choice(INSTRUMENTS),
            "side": self._drawn.choice(("buy", "buy", "sell")),
            "quantity": str(self._drawn.randrange(1, 500)),
            "price": self._price(),
            "currency": "USD",
            "executed_at": self._time.now().isoformat(),
        }
        self._told.append(dict(body))
        return body

    def _late(self) -> datetime:
        return self._time.starts_at - timedelta(hours=self._drawn.uniform(0, 60))

    def _price(self) -> str:
        return f"{self._drawn.uniform(5, 400):.2f}"

    def _next_name(self) -> str:
        self._number += 1
        return f"{self.name}-{self._number}"

    def _request(self, path: str, body: Mapping[str, Any]) -> Request:
        key = self._next_name()
        name: UUID = command_id(self.tenant, key)
        content = msgspec.json.encode(body)
        return Request(self.name, self.tenant, path, content, key, (name,))


def exchange(name: str, seed: int, time: BusinessTime) -> Sender:
    """Make the sender that owns instruments, marks and sessions."""
    return Sender(name, MARKET_TENANT, seed, time)
