"""Opening the benchmark's portfolios, instruments and cash through the public API."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec

from benchmarks.pipeline.load import (
    CALENDAR,
    CASH,
    CURRENCY,
    INSTRUMENTS,
    PORTFOLIOS,
    TENANT,
    Ticks,
)
from benchmarks.pipeline.sending import LANES, Doors
from domain.identity import MARKET_TENANT
from gateway.access import Role
from gateway.client import Caller, Refused, Reply
from infra.clock import now
from infra.keys import signing_key
from infra.running import RunningSystem
from infra.tokens import issue_token

ANSWER_SECONDS = 35.0


def open_market(system: RunningSystem) -> Doors:
    """Register, open, deposit and mark; give the sender its way in.

    Raises:
        Refused: something was refused that had to be accepted.
    """
    key = signing_key(system.data)

    def token(tenant: str, subject: str, role: Role) -> str:
        return issue_token(
            key,
            tenant=tenant,
            subject=subject,
            roles=[role.value],
            source=subject,
            issued_at=now(),
            token_id=uuid4(),
        )

    market = token(MARKET_TENANT, "exchange", Role.MARKET_DATA)
    with ExitStack() as opened:

        def caller(bearer: str) -> Caller:
            client = httpx.Client(
                base_url=system.write_url,
                headers={"Authorization": f"Bearer {bearer}"},
                timeout=ANSWER_SECONDS,
                trust_env=False,
            )
            return Caller(opened.enter_context(client))

        _open_instruments(caller(market), at=now())
        _open_portfolios(caller(token(TENANT, "operator", Role.PORTFOLIO_MANAGER)), at=now())
    address = urlsplit(system.write_url)
    assert address.hostname is not None, "a running system is reached by host and port"
    assert address.port is not None, "a running system is reached by host and port"
    lanes = tuple(token(TENANT, f"system-{number}", Role.ADMIN) for number in range(LANES))
    return Doors(address.hostname, address.port, lanes, market)


def _open_instruments(exchange: Caller, *, at: datetime) -> None:
    registrations = [
        msgspec.json.encode({
            "instrument": name, "symbol": name, "currency": CURRENCY, "asset_class": "equity",
            "calendar": CALENDAR,
        })
        for name in INSTRUMENTS
    ]  # fmt: skip
    for result in exchange.batch("/v1/instruments:batch", registrations, key="instruments"):
        if result["outcome"] != "accepted":
            raise Refused(Reply(409, result))
    marks = msgspec.json.decode(Ticks().body(at), type=dict[str, object])
    _tell(exchange, "/v1/marks", marks, key="first-marks")


def _open_portfolios(operator: Caller, *, at: datetime) -> None:
    yesterday = (at - timedelta(days=1)).date().isoformat()
    for name in PORTFOLIOS:
        opening: dict[str, object] = {
            "portfolio": name, "base_currency": CURRENCY, "calendar": CALENDAR,
        }  # fmt: skip
        _tell(operator, "/v1/portfolios", opening, key=f"open-{name}")
        cash: dict[str, object] = {
            "amount": str(CASH), "currency": CURRENCY, "value_date": yesterday,
        }  # fmt: skip
        _tell(operator, f"/v1/portfolios/{name}/deposits", cash, key=f"cash-{name}")


def _tell(caller: Caller, path: str, body: dict[str, object], *, key: str) -> None:
    reply = caller.command(path, body, key=key)
    if not reply.is_accepted:
        raise Refused(reply)
