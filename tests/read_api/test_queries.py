"""Queries over HTTP: what was told comes back, exact, and as of one position."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis

from domain.bridge import Part
from infra.embedded_valkey import EmbeddedValkey
from projections.announcing import CHANNEL, Announcement
from tests.gateway.serving import assert_problem
from tests.read_api.conftest import APPLE, BANK, NewTeller, Teller

PATHS = (
    "/v1/portfolios",
    "/v1/portfolios/growth",
    "/v1/portfolios/growth/positions",
    f"/v1/portfolios/growth/positions/{APPLE}",
    "/v1/portfolios/growth/lots",
    "/v1/portfolios/growth/cash",
    "/v1/portfolios/growth/cash/ladder",
    "/v1/portfolios/growth/cash/movements",
    "/v1/portfolios/growth/trades",
    "/v1/portfolios/growth/performance",
    "/v1/portfolios/growth/performance/summary",
    "/v1/portfolios/growth/bridge",
    "/v1/portfolios/growth/realised",
    "/v1/trades",
    "/v1/trades/held",
    "/v1/refusals",
    "/v1/exceptions",
    "/v1/closes",
    "/v1/market",
    f"/v1/market/history?name={APPLE}",
    "/v1/instruments",
)
LISTS = (
    "/v1/portfolios",
    "/v1/portfolios/growth/positions?include_closed=true",
    "/v1/portfolios/growth/cash/movements",
    "/v1/portfolios/growth/trades",
    "/v1/portfolios/growth/performance",
    "/v1/trades",
    "/v1/instruments",
    f"/v1/market/history?name={APPLE}",
)
AMOUNTS = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class TestAnyQuery:
    """What all answers have in common."""

    @pytest.mark.parametrize("path", PATHS)
    def test_says_which_positions_it_is_of(self, story: Teller, path: str) -> None:
        """Log position and market position, always."""
        told = story.ask(path)

        assert told["position"] >= told["market_position"] > 0

    @pytest.mark.parametrize("path", LISTS)
    def test_gives_the_same_rows_in_pages_of_one(self, story: Teller, path: str) -> None:
        """Following the cursors meets every row once, in order."""
        whole = story.ask(path)["items"]
        assert len(whole) > 1
        found: list[Any] = []
        joint = "&" if "?" in path else "?"

        cursor: str | None = ""
        while cursor is not None:
            page = story.ask(f"{path}{joint}limit=1{cursor}")
            assert len(page["items"]) == 1
            found += page["items"]
            following = page["next_cursor"]
            cursor = None if following is None else f"&cursor={following}"

        assert found == whole

    @pytest.mark.parametrize("path", LISTS)
    def test_refuses_a_cursor_that_is_not_its_own(self, story: Teller, path: str) -> None:
        """Altered, invented, or of another question: 400."""
        joint = "&" if "?" in path else "?"
        cursor = story.ask(f"{path}{joint}limit=1")["next_cursor"]
        altered = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")

        for wrong in (altered, "invented", cursor[:5]):
            answer = story.read.get(f"{path}{joint}cursor={wrong}")
            assert_problem(answer, 400, "cursor_invalid")
        answer = story.read.get("/v1/portfolios/growth/lots", params={"cursor": cursor})
        assert_problem(answer, 400, "cursor_invalid")

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=1001",
            "limit=many",
            "min_position=-1",
            "min_position=9223372036854775808",
            "min_position=1.5",
            "wait_seconds=nan",
            "wait_seconds=-1",
            "wait_seconds=31",
            "wait_seconds=inf",
            "cursor=",
            "cursor=%00",
            "colour=red",
            "sort=colour",
            "sort=",
            "sort=--position",
            "q=",
            "q=%00",
            "side=short",
            "from_date=yesterday",
            "external_id=a%20b",
            "limit=1&limit=2",
        ],
    )
    def test_refuses_parameters_it_does_not_understand(self, story: Teller, query: str) -> None:
        """400 with the parameter's name."""
        answer = story.read.get(f"/v1/trades?{query}")

        told = assert_problem(answer, 400, "parameter_invalid")
        assert told["fields"] == [query.split("=", maxsplit=1)[0]]


class TestPositions:
    """GET …/positions and …/lots."""

    def test_are_valued_with_exact_decimals(self, story: Teller) -> None:
        """Quantity, cost, realised parts, price with its source and time, market value."""
        told = story.ask(f"/v1/portfolios/growth/positions/{APPLE}")["item"]

        assert told["quantity"] == "30"
        assert told["cost"] == "4800"
        assert told["average_cost"] == "160"
        assert told["realised_gross"] == "2200"
        assert told["realised_net"] == "2198.5"
        assert told["price"] == "20"
        assert told["price_source"] == "mark"
        assert told["price_at"] == "2024-01-03T21:00:00Z"
        assert told["is_stale"] is False
        assert told["market_value"] == "600"
        assert told["unrealised_gross"] == "-4200"

    def test_that_are_closed_are_listed_on_request(self, story: Teller) -> None:
        """A closed position stays, with its result."""
        path = "/v1/portfolios/growth/positions"

        is_open = [item["instrument"] for item in story.ask(path)["items"]]
        all_items = story.ask(path, include_closed="true")["items"]
        closed = story.ask(f"{path}/{BANK}")["item"]

        assert is_open == [APPLE]
        assert [item["instrument"] for item in all_items] == [APPLE, BANK]
        assert closed["quantity"] == "0"
        assert closed["realised_gross"] == "100"

    def test_are_made_of_lots(self, story: Teller) -> None:
        """FIFO left the younger lot."""
        lots = story.ask("/v1/portfolios/growth/lots")["items"]
        none = story.ask("/v1/portfolios/growth/lots", instrument=BANK)["items"]

        assert [(lot["instrument"], lot["quantity"], lot["cost"]) for lot in lots] == [
            (APPLE, "30", "4800")
        ]
        assert none == []


class TestCash:
    """GET …/cash, …/cash/ladder and …/cash/movements."""

    def test_is_the_sum_of_its_legs(self, story: Teller) -> None:
        """Deposits, withdrawals, principal and fees add up to the balance."""
        (balance,) = story.ask("/v1/portfolios/growth/cash")["items"]

        assert balance["balance"] == "96498.5"
        assert balance["deposits"] == "100000"
        assert balance["withdrawals"] == "-1000"
        assert balance["principal"] == "-2500"
        assert balance["fees"] == "-1.5"

    def test_is_pending_until_its_value_date(self, story: Teller) -> None:
        """Flows are settled; receipts and payments of trades wait for a session that closes."""
        (ladder,) = story.ask("/v1/portfolios/growth/cash/ladder")["items"]

        assert ladder["settled"] == "99000"
        assert (ladder["pending_in"], ladder["pending_out"]) == ("20900", "-23401.5")
        assert ladder["dates"][-1]["projected"] == ladder["balance"] == "96498.5"

    def test_moves_are_listed_newest_first(self, story: Teller) -> None:
        """The fee is a leg of its own."""
        items = story.ask("/v1/portfolios/growth/cash/movements", currency="USD")["items"]

        assert [item["kind"] for item in items[:2]] == ["withdrawal", "principal"]
        assert items[-1]["kind"] == "deposit"
        assert [item["amount"] for item in items if item["kind"] == "fee"] == ["-1.5"]


class TestTrades:
    """The blotter, refusals and exceptions."""

    def test_are_listed_with_what_became_of_them(self, story: Teller) -> None:
        """Booked, parked and refused, newest first."""
        items = story.ask("/v1/portfolios/growth/trades")["items"]

        statuses = ["refused", "parked", "booked", "booked", "booked", "booked", "booked"]
        assert [item["status"] for item in items] == statuses

    def test_that_were_refused_carry_every_breach(self, story: Teller) -> None:
        """GET /v1/refusals."""
        (item,) = story.ask("/v1/refusals", portfolio="growth")["items"]

        assert item["external_id"] == "too-much"
        assert [breach["rule"] for breach in item["breaches"]] == ["insufficient_cash"]

    def test_that_wait_are_exceptions(self, story: Teller) -> None:
        """GET /v1/exceptions; a tiny price is written without exponent."""
        (item,) = story.ask("/v1/exceptions")["items"]

        assert item["instrument"] == "NEWCO"
        assert item["price"] == "0.0000001"

    def test_are_found_by_status_and_instrument(self, story: Teller) -> None:
        """Filters combine."""
        items = story.ask("/v1/trades", status="booked", instrument=BANK)["items"]

        assert [item["side"] for item in items] == ["sell", "buy"]

    def test_are_found_by_their_id(self, story: Teller) -> None:
        """The id is the one the acceptance told."""
        first = story.ask("/v1/trades")["items"][-1]

        assert story.ask(f"/v1/trades/{first['trade_id']}")["item"] == first


class TestPerformance:
    """GET …/performance and /v1/closes."""

    def test_has_a_row_per_session_struck_and_current(self, story: Teller) -> None:
        """The withdrawal told late, dated on the first session, restates both days."""
        first, second = story.ask("/v1/portfolios/growth/performance")["items"]

        assert (first["session"], second["session"]) == ("2024-01-02", "2024-01-03")
        assert first["struck"]["nav"] == "100000"
        assert first["current"]["nav"] == "99000"
        assert first["restated_reason"] == "late_flow"

    def test_sums_up_over_a_range(self, story: Teller) -> None:
        """Result = nav_end - nav_start - flows."""
        told = story.ask("/v1/portfolios/growth/performance/summary", since="2024-01-03")["item"]

        assert told["sessions"] == 1
        assert told["nav_start"] == "99000"
        assert AMOUNTS.fullmatch(told["result"])

    def test_explains_what_changed_a_nav(self, story: Teller) -> None:
        """The parts are exact decimals that add up to what the summary calls flows and result."""
        bridge = story.ask("/v1/portfolios/growth/bridge", since="2024-01-03")["item"]
        summary = story.ask("/v1/portfolios/growth/performance/summary", since="2024-01-03")["item"]

        parts = {part.value: Decimal(bridge[part.value]) for part in Part}
        assert bridge["reason"] is None
        assert (bridge["nav_start"], bridge["nav_end"]) == (
            summary["nav_start"], summary["nav_end"],
        )  # fmt: skip
        assert parts.pop("external_flows") == Decimal(summary["flows"])
        assert sum(parts.values()) == Decimal(summary["result"])
        assert any(parts.values())

    def test_gives_a_reason_instead_of_a_bridge(self, story: Teller) -> None:
        """No session behind the last one: the parts are null."""
        bridge = story.ask("/v1/portfolios/growth/bridge", since="2030-01-01")["item"]

        assert bridge["reason"] == "no_session"
        assert bridge["nav_end"] is None

    def test_lists_closes_that_look_wrong(self, story: Teller) -> None:
        """150.5 to 20 in a day is suspect, and kept."""
        (close,) = story.ask("/v1/closes", status="suspect", instrument=APPLE)["items"]

        assert close["price"] == "20"
        assert close["findings"] == ["far_from_previous"]


class TestReadingMyWrites:
    """`min_position`."""

    def test_shows_a_write_to_whoever_gives_its_position(
        self, story: Teller, teller: NewTeller
    ) -> None:
        """Never an answer from before it."""
        mine = teller()
        mine.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
        mine.tell(
            "/v1/portfolios/growth/deposits",
            amount="1000000",
            currency="USD",
            value_date="2024-01-02",
        )
        for number in range(1, 21):
            told = mine.trade("buy", "1", "10")

            answer = mine.ask(
                f"/v1/portfolios/growth/positions/{APPLE}", min_position=told["position"]
            )

            assert answer["position"] >= told["position"]
            assert answer["item"]["quantity"] == str(number)

    @pytest.mark.parametrize("portfolio", ["growth", "never-opened"])
    def test_believes_no_announcement(
        self, story: Teller, valkey_server: EmbeddedValkey, portfolio: str
    ) -> None:
        """A hint that lies wakes the waiter; the position of the answer itself decides.

        What is absent may be opened by then, so it is not said to be absent either.
        """
        lies = [Announcement(model, 10**12, 1) for model in ("positions", "cash")]
        deadline = time.monotonic() + 20
        with redis.Redis.from_url(valkey_server.url) as publisher:
            while not publisher.publish(CHANNEL, msgspec.json.encode(lies)):
                assert time.monotonic() < deadline, "nobody listens"
                time.sleep(0.05)

        parameters = {"min_position": 10**11, "wait_seconds": 0.3}
        answer = story.read.get(f"/v1/portfolios/{portfolio}/cash", params=parameters)

        assert_problem(answer, 409, "position_not_reached")

    def test_says_that_nothing_is_there_once_the_position_is(self, story: Teller) -> None:
        """404 also without any time to wait."""
        position = story.ask("/v1/portfolios")["position"]
        parameters = {"min_position": position, "wait_seconds": 0}

        answer = story.read.get("/v1/portfolios/never-opened/cash", params=parameters)

        assert_problem(answer, 404, "not_found")

    def test_gives_up_when_the_time_is_over(self, story: Teller) -> None:
        """409 says to ask again; a position that does not exist is never reached."""
        parameters = {"min_position": 10**15, "wait_seconds": 0.3}

        answer = story.read.get("/v1/portfolios", params=parameters)

        assert_problem(answer, 409, "position_not_reached")
        assert answer.headers["retry-after"] == "1"


class TestAnotherTenant:
    """Tenants cannot see, touch or detect each other."""

    @pytest.mark.parametrize("path", [path for path in PATHS if "growth" in path])
    def test_finds_nothing_of_mine(self, story: Teller, teller: NewTeller, path: str) -> None:
        """404 for mine, in the very words of what does not exist."""
        stranger = teller()

        mine = stranger.read.get(path)
        absent = stranger.read.get(path.replace("growth", "never-opened"))

        told, other = (
            assert_problem(mine, 404, "not_found"),
            assert_problem(absent, 404, "not_found"),
        )
        del told["correlation_id"], other["correlation_id"]
        assert told == other

    @pytest.mark.parametrize(
        "path", ["/v1/portfolios", "/v1/trades", "/v1/refusals", "/v1/exceptions"]
    )
    def test_lists_nothing_of_mine(self, story: Teller, teller: NewTeller, path: str) -> None:
        """Empty pages, whatever is filtered for."""
        stranger = teller()

        assert stranger.ask(path)["items"] == []
        if path != "/v1/portfolios":
            assert stranger.ask(path, portfolio="growth")["items"] == []

    def test_cannot_use_my_cursor_or_trade_id(self, story: Teller, teller: NewTeller) -> None:
        """A cursor is bound to its tenant; a trade id to its owner."""
        stranger = teller()
        cursor = story.ask("/v1/trades", limit=1)["next_cursor"]
        trade_id = story.ask("/v1/trades", limit=1)["items"][0]["trade_id"]

        listed = stranger.read.get("/v1/trades", params={"cursor": cursor})
        found = stranger.read.get(f"/v1/trades/{trade_id}")

        assert_problem(listed, 400, "cursor_invalid")
        assert_problem(found, 404, "not_found")

    def test_sees_the_shared_closes(self, story: Teller, teller: NewTeller) -> None:
        """Facts of the market are everybody's."""
        assert teller("viewer").ask("/v1/closes")["items"]
