"""The demo's connections: an HTTP client with a token of its own for each who takes part."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.identity import MARKET_TENANT
from gateway.access import Role
from gateway.client import Caller
from infra.clock import now
from infra.keys import signing_key
from infra.running import RunningSystem
from infra.tokens import DEFAULT_LIFETIME, issue_token
from simulation.demo_portfolios import OPENING_SOURCE, DemoDesk

ANSWER_SECONDS = 35.0
EXCHANGE_SOURCE = "demo-exchange"


class DemoConnections:
    """Issues tokens and opens clients; all of them are closed on leaving."""

    def __init__(self, system: RunningSystem) -> None:
        self._write_url = system.write_url
        self._read_url = system.read_url
        self._key: Ed25519PrivateKey = signing_key(system.data)
        self._clients = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clients.close()

    def market(self) -> Caller:
        """The exchange."""
        token = self.token(MARKET_TENANT, "exchange", Role.MARKET_DATA, source=EXCHANGE_SOURCE)
        return self._caller(self._write_url, token)

    def operator(self, tenant: str) -> Caller:
        """Opens a tenant's portfolios and moves their cash."""
        return self._caller(self._write_url, self.token(tenant, "operator", Role.PORTFOLIO_MANAGER))

    def custodian(self, tenant: str) -> Caller:
        """Tells a tenant's executed fills."""
        token = self.token(tenant, "custodian", Role.EXECUTION, source=OPENING_SOURCE)
        return self._caller(self._write_url, token)

    def desk(self, desk: DemoDesk) -> Caller:
        """A trading system that proposes trades."""
        token = self.token(desk.tenant, desk.source, Role.TRADER, source=desk.source)
        return self._caller(self._write_url, token)

    def reader(self, tenant: str) -> Caller:
        """Asks about a tenant's portfolios."""
        return self._caller(self._read_url, self.token(tenant, "watcher", Role.VIEWER))

    def token(self, tenant: str, subject: str, role: Role, *, source: str | None = None) -> str:
        """Issue a token for half a day."""
        return issue_token(
            self._key,
            tenant=tenant,
            subject=subject,
            roles=[role.value],
            source=source,
            issued_at=now(),
            token_id=uuid4(),
            lifetime=DEFAULT_LIFETIME,
        )

    def _caller(self, url: str, token: str) -> Caller:
        client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )
        return Caller(self._clients.enter_context(client))
