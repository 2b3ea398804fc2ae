"""Batches of whatever anybody sends: no 500, no lost item, no partial effect.

`PMS_FUZZ_EXAMPLES=20000 pytest tests/write_api/test_fuzzing.py --timeout 0` runs it long.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from commands.command import CommandState
from commands.desk import Desk
from domain.identity import MARKET_TENANT, command_id
from eventstore.log import Log
from tests.gateway.serving import client_of, new_tenant, token
from tests.write_api.conftest import instrument, key
from tests.write_api.spoiling import bodies
from write_api.reading_bodies import ITEMS_MAX

EXAMPLES = int(os.environ.get("PMS_FUZZ_EXAMPLES", "150"))
KINDS = ("trades", "instruments")
JSON, NDJSON = "application/json", "application/x-ndjson"
_NUMBERS = itertools.count(1)
ALL_ITEMS_RESULT = {"accepted", "replayed"}

FUZZED = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Door(NamedTuple):
    """Where the fuzzer knocks: a client for each kind of batch, and what is behind."""

    clients: dict[str, httpx.Client]
    tenants: dict[str, str]
    log: Log
    desk: Desk

    def post(self, case: Case, name: str) -> httpx.Response:
        """Send a body as a batch."""
        return self.clients[case.kind].post(
            f"/v1/{case.kind}:batch" + ("?atomic=true" if case.is_atomic else ""),
            content=case.body,
            headers=key(name) | {"Content-Type": case.media},
        )

    def written(self, after: int) -> dict[UUID, int]:
        """Say which commands wrote behind a position, and where each ended."""
        found: dict[UUID, int] = {}
        while events := self.log.read(after, 10_000):
            found |= {each.command_id: each.position for each in events}
            after = events[-1].position
        return found


@pytest.fixture(scope="module")
def door(address: str, written_log: Log, desk: Desk) -> Iterator[Door]:
    """A tenant with a portfolio and cash, and the instrument it trades."""
    tenants = {"trades": new_tenant(), "instruments": MARKET_TENANT}
    bearers = {kind: token(tenant, "admin", source="fuzzer") for kind, tenant in tenants.items()}
    with (
        client_of(address, bearers["trades"]) as trades,
        client_of(address, bearers["instruments"]) as market,
    ):
        sent = market.post("/v1/instruments", json=instrument("FUZZ"), headers=key("fuzz"))
        assert sent.status_code == 201, sent.text
        opening = {"portfolio": "growth", "base_currency": "USD"}
        assert trades.post("/v1/portfolios", json=opening, headers=key("o")).status_code == 201
        cash = {"amount": "1000000", "currency": "USD", "value_date": "2020-01-02"}
        path = "/v1/portfolios/growth/deposits"
        assert trades.post(path, json=cash, headers=key("c")).status_code == 201
        yield Door({"trades": trades, "instruments": market}, tenants, written_log, desk)


class Case(NamedTuple):
    """What is sent, and how."""

    kind: str
    body: bytes
    media: str
    is_atomic: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a batch; now and then the media type is a lie."""
    kind, as_lines = draw(st.sampled_from(KINDS)), draw(st.integers(0, 2)) > 0
    body = draw(bodies(kind, as_lines=as_lines))
    is_lie = draw(st.integers(0, 9)) == 9
    media = NDJSON if as_lines != is_lie else JSON
    return Case(kind, body, media, draw(st.booleans()))


def items_in(case: Case) -> int:
    """Count the items of a batch that was understood."""
    if case.media == JSON:
        return len(json.loads(case.body))
    return sum(1 for line in case.body.split(b"\n") if line.strip())


def results_of(answer: httpx.Response, count: int) -> list[dict[str, Any]]:
    """Check that there is one result for each item, in order, and that the counts agree."""
    told = answer.json()
    results: list[dict[str, Any]] = told["results"]
    assert [each["index"] for each in results] == list(range(count))
    if answer.status_code == httpx.codes.OK:
        counted = dict.fromkeys(told["counts"], 0)
        for each in results:
            counted[each["outcome"]] += 1
        assert counted == told["counts"]
    return results


def assert_law(door: Door, case: Case, name: str) -> httpx.Response:
    """Send a batch and compare what is told of each item with what the log holds."""
    before = door.log.head().position

    answer = door.post(case, name)

    assert answer.status_code in {200, 400, 409, 413, 422}, (answer.status_code, answer.text)
    written = door.written(before)
    if answer.status_code in {400, 413}:
        assert not written, "what was not understood wrote something"
        assert answer.headers["content-type"] == "application/problem+json"
        return answer
    assert answer.status_code == httpx.codes.OK or case.is_atomic
    results = results_of(answer, items_in(case))
    names = [command_id(door.tenants[case.kind], name, index) for index in range(len(results))]
    for result, item in zip(results, names, strict=True):
        _assert_item(door, case, result, item, written)
    if case.is_atomic and answer.status_code == httpx.codes.OK:
        assert {each["outcome"] for each in results} <= ALL_ITEMS_RESULT
    if case.is_atomic and answer.status_code != httpx.codes.OK:
        assert not [each for each in results if each["outcome"] in ALL_ITEMS_RESULT]
    else:
        assert set(written) <= set(names), "somebody wrote what nobody was told"
    return answer


def _assert_item(
    door: Door, case: Case, result: dict[str, Any], item: UUID, written: dict[UUID, int]
) -> None:
    """Check one item: told as it is, and what is not told as written is not there."""
    tenant = door.tenants[case.kind]
    match result["outcome"]:
        case "accepted":
            assert written[item] == result["position"]
            assert UUID(result["command_id"]) == item
        case "rejected":
            assert result["code"]
            is_alone = case.kind == "trades" and not case.is_atomic
            assert item in written or result.get("replayed") or not is_alone, result
        case "replayed" | "conflict":
            assert item not in written
        case "malformed" | "not_attempted":
            assert item not in written
            known = door.desk.state_of(tenant, item)
            assert known[0] is CommandState.NEVER_SEEN, (result, known)
        case other:
            raise AssertionError(f"{other} is no outcome of an item here")


class TestAnyBody:
    """Good and bad items mixed, then cut, spliced and scattered over with junk."""

    @FUZZED
    @given(case=cases())
    def test_is_answered_item_by_item_as_the_log_has_it(self, door: Door, case: Case) -> None:
        """Whatever comes in: 200, 400, 409, 413 or 422, and the log agrees with each result."""
        name = f"fuzz-{next(_NUMBERS)}"

        first = assert_law(door, case, name)
        event(f"answered {first.status_code}")
        for outcome in sorted({each["outcome"] for each in first.json().get("results", [])}):
            event(f"{case.kind} {outcome}")
        head = door.log.head().position
        again = door.post(case, name)

        assert again.status_code == first.status_code
        if first.status_code == httpx.codes.OK:
            assert door.log.head().position == head, "sent again, it wrote something"
            assert _told(again) == _told(first)


class TestTooMany:
    """5,001 items, with anything among them: refused whole, whatever else is wrong."""

    @pytest.mark.parametrize("media", [JSON, NDJSON])
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_not_begun(self, door: Door, kind: str, media: str) -> None:
        """413, or 400 where the array is malformed before it is counted."""
        good = json.dumps(instrument("FUZZ.MANY") if kind == "instruments" else {}).encode()
        parts = [good] * ITEMS_MAX + [b"{nope"]
        body = b"\n".join(parts) if media == NDJSON else b"[" + b",".join(parts) + b"]"

        answer = assert_law(door, Case(kind, body, media, False), f"many-{kind}-{media[-6:]}")

        assert answer.status_code == (413 if media == NDJSON else 400)


def _told(answer: httpx.Response) -> list[str]:
    """Give what each item was told; an acceptance told again is one."""
    outcomes = (each["outcome"] for each in answer.json()["results"])
    return ["accepted" if each == "replayed" else each for each in outcomes]
