"""The load: trading systems and an exchange in threads, each writing down what it was answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
import msgspec

from domain.identity import MARKET_TENANT
from gateway.access import Role
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.hammering.drawing import (
    INSTRUMENTS,
    PORTFOLIOS,
    TENANTS,
    BusinessTime,
    Sender,
    exchange,
)
from infra.hammering.ledger import Answer, Answered, Ledger, Request, answers_of, is_final
from infra.keys import signing_key
from infra.tokens import issue_token

ANSWER_SECONDS = 9.0
"""Longer than the desk needs to resolve a doubt, shorter than the longest fault."""

SINGLE_PAUSE_SECONDS = 0.025
BATCH_PAUSE_SECONDS = 0.5
EXCHANGE_PAUSE_SECONDS = 0.25
DOWN_PAUSE_SECONDS = 0.4
AGAIN_PART = 0.08
AGAIN_IF_OPEN_PART = 0.5
MISUSE_PART = 0.01
CLIENTS_PER_TENANT = 3


class Api:
    """Sends requests through the line to the command side, each client with a token of its own."""

    def __init__(self, data: DataDirectory, port: int) -> None:
        self._key = signing_key(data)
        self._port = port
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def client(self, name: str, tenant: str) -> httpx.Client:
        """Open a client; `name` is also the source it speaks for."""
        token = issue_token(
            self._key,
            tenant=tenant,
            subject=name,
            roles=[Role.MARKET_DATA if tenant == MARKET_TENANT else Role.ADMIN],
            source=name,
            issued_at=now(),
            token_id=uuid4(),
        )
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )
        return self._opened.enter_context(client)


def attempt(client: httpx.Client, request: Request) -> list[Answered]:
    """Send a request once; what was answered to each of its commands."""
    headers = {"Content-Type": request.media_type, "Idempotency-Key": request.key}
    try:
        response = client.post(request.path, content=request.content, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return [Answered(Answer.NOT_SENT)] * len(request.commands)
    except httpx.TransportError:
        return [Answered(Answer.NO_ANSWER)] * len(request.commands)
    return answers_of(request, response.status_code, document_of(response))


def document_of(response: httpx.Response) -> Mapping[str, Any]:
    """Read the JSON object of an answer; anything else tells nothing."""
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


class Load:
    """Runs all clients from entering to leaving; `failures` are defects of the hammer itself."""

    def __init__(self, api: Api, ledger: Ledger, seed: int) -> None:
        self.failures: list[BaseException] = []
        self._ledger = ledger
        self._stop = threading.Event()
        business_time = BusinessTime(time.monotonic)
        self.senders: dict[str, tuple[Sender, httpx.Client]] = {}
        self._threads: list[threading.Thread] = []
        self._draw: dict[str, tuple[Callable[[], Request], float]] = {}
        for tenant in TENANTS:
            for number in range(CLIENTS_PER_TENANT):
                name = f"{tenant}-{number}"
                sender = Sender(name, tenant, seed, business_time)
                is_last = number == CLIENTS_PER_TENANT - 1
                self._add(api, sender, *_trading(sender, in_batches=is_last, with_cash=number == 0))
        sender = exchange("exchange", seed, business_time)
        self._add(api, sender, lambda: _market(sender), EXCHANGE_PAUSE_SECONDS)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def client_of(self, request: Request) -> httpx.Client:
        """Give the client that sends this request, whenever it is sent."""
        return self.senders[request.client][1]

    def openings(self) -> list[Request]:
        """Give what must be there before anybody can trade."""
        market = self.senders["exchange"][0]
        requests = [market.registration(instrument) for instrument in INSTRUMENTS]
        for tenant in TENANTS:
            sender = self.senders[f"{tenant}-0"][0]
            for portfolio in PORTFOLIOS:
                requests += sender.opening(portfolio)
        return requests

    def _add(
        self, api: Api, sender: Sender, draw: Callable[[], Request], pause_seconds: float
    ) -> None:
        client = api.client(sender.name, sender.tenant)
        self.senders[sender.name] = (sender, client)

        def work() -> None:
            try:
                while not self._stop.wait(sender.pause_seconds(pause_seconds)):
                    self._send(sender, client, draw())
            except BaseException as error:  # noqa: BLE001 - told by whoever runs the load
                self.failures.append(error)

        self._threads.append(threading.Thread(target=work, name=sender.name, daemon=True))

    def _send(self, sender: Sender, client: httpx.Client, request: Request) -> None:
        """Send a request, sometimes again under its key, sometimes with that key misused."""
        while True:
            answers = attempt(client, request)
            self._ledger.take(request, answers)
            is_told = is_final(request, answers)
            if not is_told and self._stop.wait(DOWN_PAUSE_SECONDS):
                return
            if not sender.chance(AGAIN_PART if is_told else AGAIN_IF_OPEN_PART):
                break
        is_trade = request.path == "/v1/trades"
        if is_trade and sender.chance(MISUSE_PART) and self._ledger.is_decided(request.commands[0]):
            misused = sender.misuse(request)
            self._ledger.take_misuse(misused, attempt(client, misused))


def _trading(
    sender: Sender, *, in_batches: bool, with_cash: bool
) -> tuple[Callable[[], Request], float]:
    if in_batches:
        return sender.batch, BATCH_PAUSE_SECONDS
    if not with_cash:
        return sender.single, SINGLE_PAUSE_SECONDS
    return lambda: sender.cash() if sender.chance(0.1) else sender.single(), SINGLE_PAUSE_SECONDS


def _market(sender: Sender) -> Request:
    if sender.chance(0.06):
        return sender.close()
    return sender.late_registration() if sender.chance(0.06) else sender.marks()


def send_for_good(
    client: httpx.Client, request: Request, ledger: Ledger, *, deadline: float
) -> Sequence[Answered]:
    """Send a request again until every command of it has an outcome, or time is over."""
    while True:
        answers = attempt(client, request)
        ledger.take(request, answers)
        if is_final(request, answers) or time.monotonic() > deadline:
            return answers
        time.sleep(DOWN_PAUSE_SECONDS)
