"""Write processes on a log, without the rest of a PMS: real processes, real HTTP, a real database.

They are opened for a load of several tenants, each with portfolios of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import msgspec
from pydantic import SecretStr

from domain.identity import MARKET_TENANT
from eventstore.tables import create_log
from gateway.access import Role
from infra.build_name import build_name
from infra.child_processes import service_account
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_postgres import free_port
from infra.errors import OperatorError
from infra.keys import signing_key
from infra.running import process_command_line
from infra.settings import load_settings
from infra.supervisor import ChildProcess
from infra.tokens import issue_token

CURRENCY = "USD"
CALENDAR = "24/7"
INSTRUMENTS = tuple(f"STOCK{number:02}" for number in range(20))
PORTFOLIOS = tuple(f"portfolio-{number:02}" for number in range(10))
CASH = "900000000000"
READY_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
TOKEN_LIFETIME = timedelta(days=1)


class Reply(NamedTuple):
    """A final answer: its HTTP status and its document."""

    status: int
    document: dict[str, Any]

    @property
    def is_accepted(self) -> bool:
        """Whether it is in the log."""
        return self.status < httpx.codes.BAD_REQUEST

    def told(self) -> str:
        """Say in one line what was answered."""
        return f"{self.status} {self.document.get('code', '')} {self.document.get('detail', '')}"


class Caller:
    """Sends one command after the other, each under its key until it is answered for good.

    Plainer than the client for trading systems: what is measured is what is answered, not who asks.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def command(self, path: str, body: object, *, key: str) -> Reply:
        """Send a command."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        content = msgspec.json.encode(body)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            answer = self._client.post(path, content=content, headers=headers)
            if answer.status_code not in _TRY_AGAIN or time.monotonic() > deadline:
                return Reply(answer.status_code, answer.json())
            time.sleep(float(answer.headers["retry-after"]))


_TRY_AGAIN = frozenset({429, 503})


@dataclass(frozen=True)
class Writers:
    """Write processes that are up; where each is, and who may speak to them."""

    urls: Sequence[str]
    children: Sequence[ChildProcess]
    data: DataDirectory
    database: Database
    opened: ExitStack = field(repr=False)

    def token(self, tenant: str, role: Role, source: str) -> str:
        """Issue a token."""
        return issue_token(
            signing_key(self.data),
            tenant=tenant,
            subject=source,
            roles=[role.value],
            source=source,
            issued_at=now(),
            token_id=uuid4(),
            lifetime=TOKEN_LIFETIME,
        )

    def caller(self, tenant: str, role: Role, *, writer: int = 0, source: str = "bench") -> Caller:
        """Open a patient caller of one of the processes."""
        client = httpx.Client(
            base_url=self.urls[writer],
            headers={"Authorization": f"Bearer {self.token(tenant, role, source)}"},
            timeout=60,
            trust_env=False,
        )
        return Caller(self.opened.enter_context(client))

    def process_id(self, writer: int) -> int:
        """Name a process; `OperatorError` when it has ended."""
        found = self.children[writer].process_id
        if found is None:
            raise OperatorError(f"The write process {writer + 1} has ended.")
        return found


@contextmanager
def write_processes(data: DataDirectory, database: Database, count: int) -> Iterator[Writers]:
    """Start so many write processes on one log and wait until they are ready."""
    data.prepare(service_account())
    create_log(database.owner_conninfo)
    signing_key(data)
    children, urls = [], []
    for number in range(1, count + 1):
        settings = load_settings(data=data.path).model_copy(
            update={
                "postgres_owner": None,
                "postgres_app": SecretStr(database.app_conninfo),
                "build": build_name(),
                "write_port": free_port(),
            }
        )
        urls.append(settings.write_url)
        children.append(
            ChildProcess(
                name=f"write-{number}",
                arguments=process_command_line("write"),
                log=data.logs / f"write-{number}.jsonl",
                ready_url=f"{settings.write_url}/health/ready",
                environment=settings.environment(),
            )
        )
    with ExitStack() as opened:
        for child in children:
            opened.callback(child.stop)
            child.start()
        for child in children:
            _wait_until_ready(child)
        with ExitStack() as clients:
            yield Writers(urls, children, data, database, clients)


def _wait_until_ready(child: ChildProcess) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not child.is_ready():
        if not child.is_running() or time.monotonic() > deadline:
            raise OperatorError(f"The process {child.name} does not start: {child.last_words()}")
        time.sleep(LOOK_SECONDS)


def open_market(writers: Writers, tenants: Sequence[str]) -> None:
    """Register instruments and open every tenant's portfolios with more cash than can be spent."""
    registrations = [
        {
            "instrument": name, "symbol": name, "currency": CURRENCY, "asset_class": "equity",
            "calendar": CALENDAR,
        }
        for name in INSTRUMENTS
    ]  # fmt: skip
    exchange = writers.caller(MARKET_TENANT, Role.MARKET_DATA, source="exchange")
    _must(exchange, "/v1/instruments:batch", registrations, "instruments")
    marks = [{"instrument": name, "price": "10"} for name in INSTRUMENTS]
    told = {"at": (now() - timedelta(hours=1)).isoformat(), "marks": marks}
    exchange.command("/v1/marks", told, key="marks")
    for tenant in tenants:
        operator = writers.caller(tenant, Role.PORTFOLIO_MANAGER)
        for name in PORTFOLIOS:
            opening: dict[str, object] = {
                "portfolio": name,
                "base_currency": CURRENCY,
                "calendar": CALENDAR,
            }
            _must(operator, "/v1/portfolios", opening, f"open-{name}")
            cash: dict[str, object] = {
                "amount": CASH,
                "currency": CURRENCY,
                "value_date": "2024-01-02",
            }
            _must(operator, f"/v1/portfolios/{name}/deposits", cash, f"cash-{name}")


def _must(caller: Caller, path: str, body: object, key: str) -> None:
    reply = caller.command(path, body, key=key)
    if not reply.is_accepted:
        raise OperatorError(f"The load cannot be prepared: {reply.told()}")
