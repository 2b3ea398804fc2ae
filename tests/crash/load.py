"""Load for crash tests: trading systems that write down what they were answered, and what not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from client import Accepted, Client, ItemAnswer
from client.trades import Trade
from domain.identity import command_id
from infra.clock import now

BATCH = 300
PAUSE_SECONDS = 0.05
BREATH_SECONDS = 0.02
PORTFOLIO = "crash"


class Sent(NamedTuple):
    """A trade as it was sent, and what was answered: None where nobody answered for good."""

    source: str
    external_id: str
    executed_at: str
    command: str
    outcome: str | None
    position: int | None


def trade(source: str, external_id: str, executed_at: str) -> dict[str, Any]:
    """Give an executed trade of one share of the source's own instrument."""
    return {
        "portfolio": PORTFOLIO,
        "external_id": external_id,
        "intent": "executed",
        "instrument": source,
        "side": "buy",
        "quantity": "1",
        "price": "10",
        "currency": "USD",
        "executed_at": executed_at,
    }


class Sender:
    """One trading system in a thread of its own; `send` is called until `stop` is set."""

    def __init__(self, name: str, stop: threading.Event, send: Callable[[int], list[Sent]]) -> None:
        self.sent: list[Sent] = []
        self.failure: BaseException | None = None
        self._stop = stop
        self._send = send
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                answered = self._send(number)
                self.sent += answered
                is_well = answered and all(each.outcome is not None for each in answered)
                self._stop.wait(BREATH_SECONDS if is_well else PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - told by the test, in its own thread
            self.failure = error


def impatient(client: httpx.Client, tenant: str, source: str) -> Callable[[int], list[Sent]]:
    """Send single trades, each once only, whatever happens."""

    def send(number: int) -> list[Sent]:
        name, at = f"{source}-{number}", now().isoformat()
        try:
            reply = client.post("/v1/trades", json=trade(source, name, at), headers=_key(name))
        except httpx.ConnectError:
            return []  # Nobody was there to send it to.
        except httpx.TransportError:
            return [Sent(source, name, at, str(command_id(tenant, name)), None, None)]
        told = reply.json()
        outcome = told["outcome"] if reply.status_code == httpx.codes.CREATED else None
        position = told.get("position")
        return [Sent(source, name, at, str(command_id(tenant, name)), outcome, position)]

    return send


def impatient_batches(
    client: httpx.Client, tenant: str, source: str
) -> Callable[[int], list[Sent]]:
    """Send batches, each once only, whatever happens."""

    def send(number: int) -> list[Sent]:
        key, at = f"{source}-{number}", now().isoformat()
        names = [f"{key}-{item:03}" for item in range(BATCH)]
        commands = [str(command_id(tenant, key, item)) for item in range(BATCH)]
        try:
            reply = client.post(
                "/v1/trades:batch",
                json=[trade(source, name, at) for name in names],
                headers=_key(key),
            )
            told = reply.json().get("results") or [{}] * BATCH
        except httpx.ConnectError:
            return []
        except httpx.TransportError:
            told = [{}] * BATCH
        return [
            Sent(source, name, at, command, _final(each.get("outcome")), each.get("position"))
            for name, command, each in zip(names, commands, told, strict=True)
        ]

    return send


def patient(client: Client, tenant: str, source: str) -> Callable[[int], list[Sent]]:
    """Send batches again under the same key until each is answered, as one should."""

    def send(number: int) -> list[Sent]:
        key, at = f"{source}-{number}", now().isoformat()
        names = [f"{key}-{item:03}" for item in range(BATCH)]
        answers = client.send_all((Trade(**trade(source, name, at)) for name in names), key=key)
        return [
            Sent(source, name, at, str(each.command_id), *_ended(each))
            for name, each in zip(names, answers, strict=True)
        ]

    return send


def _ended(answer: ItemAnswer) -> tuple[str, int | None]:
    """Say how it ended, and where in the log."""
    if isinstance(answer, Accepted):
        return "replayed" if answer.replayed else "accepted", answer.position
    return answer.code, None


def _key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def _final(outcome: str | None) -> str | None:
    """Keep an outcome that is one; what was not attempted or is not known is none."""
    return None if outcome in {"unknown", "not_attempted"} else outcome
