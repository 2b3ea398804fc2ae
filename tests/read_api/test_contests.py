"""Contests over HTTP, from the announcement to the ranks on the board."""

from __future__ import annotations

import time
from typing import Any

import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import assert_problem, new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller, Teller
from tests.read_api.watching import watching

NAME = "CONTEST.A"
CUP = "/v1/contests/madrid"
DAYS = ("2019-07-01", "2019-07-02", "2019-07-03")
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def tenant() -> str:
    """Whose contest it is."""
    return new_tenant()


@pytest.fixture(scope="module")
def told(teller: NewTeller, tenant: str) -> tuple[Teller, dict[str, Any]]:
    """A contest of two days of Madrid: ann buys ten, bob five, cas none; it rises by a tenth."""
    market, owner = teller("market_data", tenant=MARKET_TENANT), teller(tenant=tenant)
    market.tell(
        "/v1/instruments", instrument=NAME, symbol=NAME, currency="EUR", asset_class="equity",
        calendar="XMAD",
    )  # fmt: skip
    owner.tell(
        "/v1/contests", contest="madrid", window="contest", first_day=DAYS[0], last_day=DAYS[1],
        calendar="XMAD", currency="EUR", metric="return",
    )  # fmt: skip
    for name, units in (("ann", "10"), ("bob", "5"), ("cas", "")):
        owner.tell("/v1/portfolios", portfolio=name, base_currency="EUR", calendar="XMAD")
        owner.tell(f"/v1/portfolios/{name}/owners", owner=f"user-{name}")
        owner.tell(
            f"/v1/portfolios/{name}/deposits", amount="1000", currency="EUR", value_date=DAYS[0]
        )
        owner.tell(f"{CUP}/entries", portfolio=name)
        if units:
            owner.trade(
                "buy", units, "50", portfolio=name, instrument=NAME, currency="EUR",
                trade_date=DAYS[0],
            )  # fmt: skip
    for on, price in zip(DAYS[:2], ("50", "55"), strict=True):
        last = market.tell(
            "/v1/sessions", calendar="XMAD", session=on, starts_at=f"{on}T07:00:00Z",
            ends_at=f"{on}T15:30:00Z", closes=[{"instrument": NAME, "price": price}],
        )  # fmt: skip
    asked = {"min_position": last["position"], "wait_seconds": 30}
    deadline = time.monotonic() + PATIENCE_SECONDS
    # While the processes of the session start, the board is made: it says so, and to ask again.
    while owner.read.get(f"{CUP}/ranks", params=asked).status_code == 503:
        assert time.monotonic() < deadline, "there is no board"
        time.sleep(0.1)
    return owner, asked


def ranks(answer: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Who is where, by what."""
    return [(each["rank"], each["participant"], each["value"]) for each in answer["items"]]


class TestTheBoard:
    """The ranks as they are now."""

    def test_is_all_at_one_position(self, told: tuple[Teller, dict[str, Any]]) -> None:
        """Of the last session; a page says where the next one begins."""
        owner, asked = told
        found = owner.ask(f"{CUP}/ranks", **asked)

        assert ranks(found) == [
            (1, "user-ann", "0.05"), (2, "user-bob", "0.025"), (3, "user-cas", "0"),
        ]  # fmt: skip
        assert found["session"] == DAYS[1]
        assert found["position"] >= asked["min_position"]
        assert (found["ranked"], found["entrants"], found["is_stale"]) == (3, 3, False)
        assert [each["percentile"] for each in found["items"]] == [1.0, 2 / 3, 1 / 3]
        page = owner.ask(f"{CUP}/ranks", first=2, limit=1)
        assert (ranks(page), page["next_rank"]) == ([(2, "user-bob", "0.025")], 3)
        assert found["next_rank"] is None

    def test_shows_who_is_around(self, told: tuple[Teller, dict[str, Any]]) -> None:
        """One before, one behind, and the own rank."""
        owner, asked = told
        found = owner.ask(f"{CUP}/ranks", **asked, around="user-cas", reach=1)

        assert [each["participant"] for each in found["items"]] == ["user-bob", "user-cas"]
        assert found["own"]["rank"] == 3

    def test_of_another_tenant_is_not_there(
        self, told: tuple[Teller, dict[str, Any]], teller: NewTeller
    ) -> None:
        """Like one that nobody announced."""
        _, asked = told
        stranger = teller()
        for path in (CUP, f"{CUP}/ranks"):
            assert_problem(stranger.read.get(path, params={"wait_seconds": 0}), 404, "not_found")
        proof = stranger.read.get(f"{CUP}/proof", params={"participant": "user-ann"})
        assert_problem(proof, 404, "not_found")
        assert stranger.ask("/v1/contests", **asked)["items"] == []


class TestAProof:
    """What a rank is made of."""

    def test_lists_the_returns_and_the_neighbours(
        self, told: tuple[Teller, dict[str, Any]]
    ) -> None:
        """As of now, and as of before the last session closed."""
        owner, asked = told
        found = owner.ask(f"{CUP}/proof", **asked, participant="user-bob")

        assert found["rank"]["rank"] == 2
        assert [(each["session"], each["daily_return"]) for each in found["days"]] == [
            (DAYS[0], "0"), (DAYS[1], "0.025"),
        ]  # fmt: skip
        assert found["traded_on"] == [DAYS[0]]
        beside = [each["participant"] for each in found["compared_with"]]
        assert beside == ["user-ann", "user-cas"]
        before = owner.ask(
            f"{CUP}/proof", **asked, participant="user-bob", position=asked["min_position"] - 1
        )
        assert (before["session"], before["rank"]["value"]) == (DAYS[0], "0")

    def test_of_what_was_restated_needs_the_log(self, told: tuple[Teller, dict[str, Any]]) -> None:
        """What was known then is not in the tables any more: it says what to do."""
        owner, asked = told
        then = asked["min_position"]
        last = owner.tell(f"{CUP}/disqualifications", participant="user-cas", reason="drill")
        answer = owner.read.get(
            f"{CUP}/proof",
            params={
                "participant": "user-bob", "position": then, "min_position": last["position"],
                "wait_seconds": 30,
            },
        )  # fmt: skip

        assert_problem(answer, 409, "restated_since")


class TestAContest:
    """As announced."""

    def test_is_listed(self, told: tuple[Teller, dict[str, Any]]) -> None:
        """With its terms, and how far it is."""
        owner, asked = told
        (item,) = owner.ask("/v1/contests", **asked)["items"]

        assert item == owner.ask(CUP, **asked)["contest"]
        assert (item["metric"], item["first_session"], item["is_over"]) == ("return", DAYS[0], True)

    def test_has_no_strikes_before_they_are_told(self, told: tuple[Teller, dict[str, Any]]) -> None:
        """No reaction runs here."""
        owner, asked = told

        assert owner.ask(f"{CUP}/strikes", **asked)["items"] == []
        past = owner.ask(f"{CUP}/participants/user-ann/ranks", **asked)
        assert past["items"] == []
        struck = owner.ask(f"{CUP}/struck-ranks", **asked, session=DAYS[1], edition=1)
        assert struck["items"] == []


class TestLive:
    """The first ranks, over the socket."""

    def test_tells_the_board_and_what_changes_it(
        self, told: tuple[Teller, dict[str, Any]], addresses: Addresses, tenant: str
    ) -> None:
        """Ann is taken out, and the others move up."""
        owner, asked = told
        owner.ask(f"{CUP}/ranks", **asked)
        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            first = watcher.subscribe("l", "leaderboard/madrid")
            assert first["type"] == "snapshot"
            assert watcher.subscribe("none", "leaderboard/lisboa")["code"] == "not_found"
            state = watcher.until_state("l", lambda rows: "user-cas" not in rows)
            assert {name: row["rank"] for name, row in state.items()} == {
                "user-ann": 1, "user-bob": 2,
            }  # fmt: skip
            owner.tell(f"{CUP}/disqualifications", participant="user-ann", reason="drill")
            state = watcher.until_state("l", lambda rows: "user-ann" not in rows)
            assert {name: row["rank"] for name, row in state.items()} == {
                "user-bob": 1,
            }  # fmt: skip
