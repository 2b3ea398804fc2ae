"""The demo's connections: an HTTP client with a token of its own for each who takes part."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client import Client
from domain.identity import MARKET_TENANT
from gateway.access import Role
from infra.clock import now
from infra.keys import signing_key
from infra.running import RunningSystem
from infra.tokens import DEFAULT_LIFETIME, issue_token
from simulation.demo_portfolios import OPENING_SOURCE, DemoDesk

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

    def market(self) -> Client:
        """The exchange."""
        token = self.token(MARKET_TENANT, "exchange", Role.MARKET_DATA, source=EXCHANGE_SOURCE)
        return self._client(self._write_url, token)

    def operator(self, tenant: str) -> Client:
        """Opens a tenant's portfolios and moves their cash."""
        return self._client(self._write_url, self.token(tenant, "operator", Role.PORTFOLIO_MANAGER))

    def custodian(self, tenant: str) -> Client:
        """Tells a tenant's executed fills."""
        token = self.token(tenant, "custodian", Role.EXECUTION, source=OPENING_SOURCE)
        return self._client(self._write_url, token)

    def desk(self, desk: DemoDesk) -> Client:
        """A trading system that proposes trades."""
        token = self.token(desk.tenant, desk.source, Role.TRADER, source=desk.source)
        return self._client(self._write_url, token)

    def reader(self, tenant: str) -> Client:
        """Asks about a tenant's portfolios."""
        return self._client(self._read_url, self.token(tenant, "watcher", Role.VIEWER))

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

    def _client(self, url: str, token: str) -> Client:
        return self._clients.enter_context(Client.to(url, token=token))
