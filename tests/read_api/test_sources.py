"""What a trading system asks of its own trades, over HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from tests.gateway.serving import client_of, new_tenant, token
from tests.read_api.conftest import APPLE, Addresses, NewTeller, Teller

REPOSITORY = Path(__file__).parents[2]
SOURCE = "desk-1"
OUTCOMES = f"/v1/sources/{SOURCE}/outcomes"
STATE = f"/v1/sources/{SOURCE}/state"
TOTALS = f"/v1/sources/{SOURCE}/control-totals"


class Copied(NamedTuple):
    """An answer of the drop copy."""

    lines: list[dict[str, Any]]
    complete: int


def copy(reader: httpx.Client, **asked: object) -> Copied:
    """Ask the drop copy."""
    answer = reader.get(OUTCOMES, params={name: str(it) for name, it in asked.items()})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    return Copied(lines, int(answer.headers["Complete-Position"]))


def told_until(reader: httpx.Client, position: int) -> list[dict[str, Any]]:
    """Read a drop copy from its beginning until it is complete up to a position."""
    lines: list[dict[str, Any]] = []
    complete = 0
    while complete < position:
        found = copy(reader, after_position=complete, wait_seconds=5)
        lines += found.lines
        complete = found.complete
    return lines


@pytest.fixture
def desk(teller: NewTeller, story: Teller) -> Teller:
    """A trading system of a tenant of its own, with an open portfolio."""
    made = teller()
    made.tell("/v1/portfolios", portfolio="growth", base_currency="USD", allows_short=True)
    return made


class TestTheDropCopy:
    """A resumable stream of what became of a source's trades."""

    def test_tells_each_outcome_once_in_log_order(self, desk: Teller) -> None:
        """An acceptance, a bust and what it took out, by the command ids of their answers."""
        first = desk.trade("buy", "2", "10", external_id="a", source_sequence=1)
        second = desk.trade("sell", "1", "12", external_id="b", source_sequence=2)
        bust = desk.tell(
            f"/v1/trades/{SOURCE}/b/busts", portfolio="growth", reason="cancelled_by_venue"
        )

        lines = told_until(desk.read, bust["position"])

        assert [line["kind"] for line in lines] == [
            "captured", "captured", "busted", "unbooked", "restated",
        ]  # fmt: skip
        assert [line["command_id"] for line in lines[:3]] == [
            each["command_id"] for each in (first, second, bust)
        ]
        assert lines[1]["realised_gross"] == "2"
        assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)

    def test_a_reader_killed_anywhere_resumes_with_exactly_the_rest(self, desk: Teller) -> None:
        """It keeps the position of its last line, and asks with that."""
        for number in range(12):
            last = desk.trade("buy", "1", "10", external_id=f"t-{number:02}")
        whole = told_until(desk.read, last["position"])
        assert len(whole) == 12

        for killed_after in range(len(whole)):
            kept = whole[:killed_after]
            seen = list(kept)
            while True:
                after = seen[-1]["position"] if seen else 0
                found = copy(desk.read, after_position=after, limit=5)
                if not found.lines:
                    break
                seen += found.lines
            assert seen == whole

    def test_waits_for_the_next_line(self, desk: Teller) -> None:
        """And answers as soon as it is there."""
        begun = desk.trade("buy", "1", "10", external_id="one")
        told_until(desk.read, begun["position"])
        timer = threading.Timer(0.5, lambda: desk.trade("buy", "1", "10", external_id="two"))
        timer.start()

        started = time.monotonic()
        found = copy(desk.read, after_position=begun["position"], wait_seconds=20)

        assert [line["external_id"] for line in found.lines] == ["two"]
        assert 0.4 < time.monotonic() - started < 10
        timer.join()

    def test_an_empty_answer_after_the_wait_says_how_far_it_is_complete(self, desk: Teller) -> None:
        """So the next question begins there."""
        last = desk.tell(
            "/v1/portfolios/growth/deposits", amount="1", currency="USD", value_date="2024-01-02"
        )

        started = time.monotonic()
        found = copy(desk.read, after_position=last["position"], wait_seconds=0.5)

        assert found.lines == []
        assert found.complete >= last["position"]
        assert time.monotonic() - started >= 0.5

    def test_begins_empty_for_a_source_nobody_heard_of(self, desk: Teller) -> None:
        """A system that begins asks before it sends."""
        assert copy(desk.read).lines == []


class TestTheDocumentedReader:
    """The loop in `docs/delivery.md`, as it stands there."""

    def test_follows_a_source_and_resumes(self, desk: Teller) -> None:
        """Its one number is all it needs."""
        text = (REPOSITORY / "docs" / "delivery.md").read_text()
        (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        names: dict[str, Any] = {"json": json}
        exec(snippet, names)  # noqa: S102 - our own documentation
        for name in ("a", "b", "c"):
            desk.trade("buy", "1", "10", external_id=name)

        first = next(names["follow"](desk.read, SOURCE, 0))
        rest = names["follow"](desk.read, SOURCE, first["position"])

        assert first["external_id"] == "a"
        assert [next(rest)["external_id"] for _ in range(2)] == ["b", "c"]


class TestTheState:
    """Which numbers have arrived."""

    def test_tells_gaps_and_counts(self, desk: Teller) -> None:
        """A refused one has arrived; the missing ones lie between."""
        for number in (1, 2, 5):
            desk.trade("buy", "1", "10", external_id=f"t-{number}", source_sequence=number)
        refused: dict[str, object] = {
            "portfolio": "growth", "external_id": "t-7", "intent": "proposed",
            "instrument": APPLE, "side": "buy", "quantity": "1000000", "price": "100",
            "currency": "USD", "trade_date": "2024-01-03", "source_sequence": 7,
        }  # fmt: skip
        position = desk.send("/v1/trades", 422, refused)["position"]

        found = desk.ask(STATE, min_position=position, wait_seconds=20)

        assert found["counts"] == {"captured": 3, "refused": 1}
        assert found["last_contiguous_sequence"] == 2
        assert found["highest_sequence"] == 7
        assert found["gaps"] == [{"first": 3, "last": 4}, {"first": 6, "last": 6}]
        assert (found["gap_count"], found["missing_count"]) == (2, 3)
        assert found["last_position"] <= position <= found["position"]

    def test_of_a_source_nobody_heard_of_is_empty(self, desk: Teller) -> None:
        """Nothing has arrived."""
        found = desk.ask(STATE)

        assert (found["counts"], found["gaps"], found["last_position"]) == ({}, [], 0)
        assert found["last_contiguous_sequence"] is None


class TestControlTotals:
    """What stands, in one answer."""

    def test_are_exact_and_of_what_stands_now(self, desk: Teller) -> None:
        """A busted trade is not in them, an amended one as it is."""
        desk.trade("buy", "3", "0.1", external_id="a")
        desk.trade("buy", "9", "9", external_id="b")
        desk.trade("sell", "1", "0.2", external_id="c", trade_date="2024-01-04", fee="0.5")
        last = desk.tell(f"/v1/trades/{SOURCE}/b/busts", portfolio="growth", reason="wrong")

        found = desk.ask(TOTALS, min_position=last["position"], wait_seconds=20)
        later = desk.ask(TOTALS, from_date="2024-01-04", to_date="2024-01-04")

        nothing = {"refused": 0, "parked": 0, "held": 0, "currency": "USD"}
        first = {"trade_date": "2024-01-03", "trades": 1, "quantity": "3", "fees": "0"}
        second = {"trade_date": "2024-01-04", "trades": 1, "quantity": "-1", "fees": "0.5"}
        assert found["items"] == [
            {**nothing, **first, "consideration": "-0.3"},
            {**nothing, **second, "consideration": "0.2"},
        ]
        assert later["items"] == found["items"][1:]


@contextmanager
def holder(addresses: Addresses, *roles: str, source: str | None) -> Iterator[httpx.Client]:
    """Somebody with a token that names a source, or none."""
    bearer = token(new_tenant(), *roles, source=source)
    with client_of(addresses.read, bearer) as client:
        yield client


class TestWhoMayAsk:
    """A trading system sees its own source only."""

    @pytest.mark.parametrize("path", [OUTCOMES, STATE, TOTALS])
    @pytest.mark.parametrize("role", ["execution", "trader"])
    def test_a_trading_system_is_bound_to_its_source(
        self, addresses: Addresses, story: Teller, path: str, role: str
    ) -> None:
        """Its own it may see; another one's it may not, whether or not there is such a source."""
        codes = {}
        for source in (SOURCE, "desk-2", None):
            with holder(addresses, role, source=source) as client:
                answer = client.get(path)
                codes[source] = "" if answer.status_code == 200 else answer.json()["code"]

        assert codes == {SOURCE: "", "desk-2": "source_not_yours", None: "source_missing"}

    @pytest.mark.parametrize("path", [OUTCOMES, STATE, TOTALS])
    @pytest.mark.parametrize(
        "role", ["admin", "auditor", "portfolio_manager", "controller", "risk"]
    )
    def test_who_oversees_sees_any(
        self, addresses: Addresses, story: Teller, path: str, role: str
    ) -> None:
        """Of his tenant, whatever the token speaks for."""
        for source in ("desk-2", None):
            with holder(addresses, role, source=source) as client:
                assert client.get(path).status_code == 200

    def test_another_tenants_source_of_that_name_is_not_seen(
        self, addresses: Addresses, desk: Teller
    ) -> None:
        """Sources are a tenant's own."""
        last = desk.trade("buy", "1", "10")
        told_until(desk.read, last["position"])

        with holder(addresses, "execution", source=SOURCE) as client:
            assert copy(client).lines == []
            assert client.get(STATE).json()["counts"] == {}
            assert client.get(TOTALS).json()["items"] == []


class TestBadInput:
    """Is a problem that names the parameter, never a failure of ours."""

    @pytest.mark.parametrize(
        "query",
        [
            "after_position=-1", "after_position=x", f"after_position={2**63}", "limit=0",
            "limit=5001", "wait_seconds=31", "wait_seconds=nan", "wait_seconds=-1", "cursor=1",
            "limit=1&limit=2",
        ],
    )  # fmt: skip
    def test_of_the_drop_copy(self, desk: Teller, query: str) -> None:
        """Numbers out of range, unknown or repeated parameters."""
        answer = desk.read.get(f"{OUTCOMES}?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")

    @pytest.mark.parametrize(
        "query",
        ["from_date=monday", "from_date=2024-02-30", "from_date=2024-01-02&to_date=2024-01-01"],
    )
    def test_of_control_totals(self, desk: Teller, query: str) -> None:
        """Dates that are none, and an end before the beginning."""
        answer = desk.read.get(f"{TOTALS}?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")

    def test_a_name_of_another_form_is_not_found(self, desk: Teller) -> None:
        """No source can be named so."""
        answer = desk.read.get("/v1/sources/a%20b/state")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
