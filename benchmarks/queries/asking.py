"""Asking queries from a process of its own: a few clients, each with one connection that stays."""

from __future__ import annotations

import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import msgspec

from benchmarks.driven import DrivenProcess, hear_only_orders

ANSWER_SECONDS = 60.0
OK = 200
MILLISECONDS = 1_000.0


class Door(NamedTuple):
    """Where queries are asked, and by whom."""

    host: str
    port: int
    token: str


class Wanted(NamedTuple):
    """One request: the query by its declared path, and the target to be asked."""

    query: str
    target: str


class Answer(NamedTuple):
    """What became of a request: how long it took; `problem` is its code where it failed."""

    query: str
    seconds: float
    octets: int
    problem: str


class Asker(DrivenProcess):
    """The asking process, driven from here."""

    def __init__(self, door: Door) -> None:
        super().__init__(serve, door)

    def ask(self, wanted: Sequence[Wanted], *, clients: int, seconds: float) -> list[Answer]:
        """Have all asked by so many clients, one after the other each, until the time is over."""
        self.pipe.send((wanted, clients, seconds))
        answers: list[Answer] = self.pipe.recv()
        return answers


def serve(pipe: Connection, door: Door) -> None:
    """Ask what is ordered until the other end is closed."""
    hear_only_orders()
    try:
        while True:
            wanted, clients, seconds = pipe.recv()
            pipe.send(ask_all(door, wanted, clients=clients, seconds=seconds))
    except EOFError:
        return


def ask_all(door: Door, wanted: Sequence[Wanted], *, clients: int, seconds: float) -> list[Answer]:
    """Share requests out among clients, each with a thread, and give all answers."""
    until = time.monotonic() + seconds
    answers: list[list[Answer]] = [[] for _ in range(clients)]

    def run(number: int) -> None:
        connection = http.client.HTTPConnection(door.host, door.port, timeout=ANSWER_SECONDS)
        for each in wanted[number::clients]:
            if time.monotonic() > until:
                break
            answers[number].append(ask(connection, door, each))
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for each in answers for answer in each]


def ask(connection: http.client.HTTPConnection, door: Door, wanted: Wanted) -> Answer:
    """Ask one thing and read the whole answer; a lost connection is opened by the next."""
    headers = {"Authorization": f"Bearer {door.token}"}
    began = time.perf_counter()
    try:
        connection.request("GET", wanted.target, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(wanted.query, time.perf_counter() - began, 0, type(error).__name__)
    seconds = time.perf_counter() - began
    problem = "" if response.status == OK else _problem(response.status, body)
    return Answer(wanted.query, seconds, len(body), problem)


def _problem(status: int, body: bytes) -> str:
    try:
        told: dict[str, Any] = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return str(status)
    return f"{status} {told.get('code', '')}"


class Figures(NamedTuple):
    """How long a query took, in milliseconds, over so many answers; and how large they were."""

    p50_ms: float
    p95_ms: float
    worst_ms: float
    asked: int
    octets: int


def figures(answers: Sequence[Answer]) -> dict[str, Figures]:
    """Work out each query's figures from its good answers, the slowest query first."""
    good: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if not answer.problem:
            good[answer.query].append(answer)
    found = {query: _figures(of_query) for query, of_query in good.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].p95_ms))


def problems(answers: Sequence[Answer]) -> dict[str, dict[str, int]]:
    """Count what failed, by query and code."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for answer in answers:
        if answer.problem:
            counts = found[answer.query]
            counts[answer.problem] = counts.get(answer.problem, 0) + 1
    return dict(found)


def percentile(ordered: Sequence[float], part: float) -> float:
    """Give the smallest value that at least `part` of all do not exceed (nearest rank)."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def _figures(answers: Sequence[Answer]) -> Figures:
    ordered = sorted(answer.seconds * MILLISECONDS for answer in answers)
    p50, p95 = (round(percentile(ordered, part), 2) for part in (0.5, 0.95))
    octets = max(answer.octets for answer in answers)
    return Figures(p50, p95, round(ordered[-1], 2), len(ordered), octets)
