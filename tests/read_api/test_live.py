"""Live as a dashboard meets it: a snapshot, then what changes, in step with the log."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from domain.identity import MARKET_TENANT
from read_api.live import shared_destinations
from tests.conftest import REPOSITORY
from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller, Teller
from tests.read_api.watching import watching

OWN = "/v1/portfolios/growth"
DAY = "2024-01-03"
POSITIONS = "portfolios/growth/positions"
NAME = "LIVEX"


@pytest.fixture(scope="module", autouse=True)
def instrument(teller: NewTeller) -> None:
    """What is traded here."""
    teller("market_data", tenant=MARKET_TENANT).tell(
        "/v1/instruments",
        instrument=NAME,
        symbol=NAME,
        currency="USD",
        asset_class="equity",
        calendar="XNYS",
    )


def trade(owner: Teller, side: str, quantity: str, price: str, **changes: object) -> int:
    """Trade it; give the position."""
    told = owner.trade(side, quantity, price, instrument=NAME, **changes)
    position: int = told["position"]
    return position


def funded(teller: NewTeller, tenant: str) -> Teller:
    """A portfolio that holds 100,000 dollars."""
    owner = teller(tenant=tenant)
    owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
    last = owner.tell(f"{OWN}/deposits", amount="100000", currency="USD", value_date=DAY)
    owner.ask(f"{OWN}/cash", min_position=last["position"], wait_seconds=20)
    return owner


class TestASubscription:
    """From the first message to the last."""

    def test_begins_with_all_there_is_and_goes_on_with_what_changes(
        self, addresses: Addresses, teller: NewTeller
    ) -> None:
        """A buy, a sale of a part, and a sale of the rest, which takes the position out."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        bought = trade(owner, "buy", "100", "150", fee="1.5")
        owner.ask(f"{OWN}/positions", min_position=bought, wait_seconds=20)

        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            first = watcher.subscribe("p", POSITIONS)
            assert first["type"] == "snapshot"
            assert first["rows"][NAME]["quantity"] == "100"
            assert first["position"] >= bought
            sold = trade(owner, "sell", "40", "170")
            state = watcher.until_state("p", lambda rows: rows[NAME]["quantity"] == "60")
            assert bought < state[NAME]["changed_position"] <= sold
            trade(owner, "sell", "60", "170")
            assert watcher.until_state("p", lambda rows: not rows) == {}
            assert watcher.positions["p"] > sold
            assert watcher.kinds["p"] == ["snapshot", "change", "change"]

    def test_resumes_where_its_client_stood(self, addresses: Addresses, teller: NewTeller) -> None:
        """What changed behind its position, closed ones as closed; all of it after a rebuild."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        bought = trade(owner, "buy", "10", "100")
        owner.ask(f"{OWN}/cash", min_position=bought, wait_seconds=20)
        bearer = token(tenant, "viewer")
        with watching(addresses.read, bearer) as watcher:
            held = watcher.subscribe("p", POSITIONS)
            cash = watcher.subscribe("c", "portfolios/growth/cash")
        sold = trade(owner, "sell", "10", "100")
        owner.ask(f"{OWN}/cash", min_position=sold, wait_seconds=20)

        with watching(addresses.read, bearer) as watcher:
            stood = {"position": held["position"], "edition": held["edition"]}
            told = watcher.subscribe("p", POSITIONS, **stood)
            assert (told["type"], told["rows"]) == ("change", {NAME: None})
            told = watcher.subscribe(
                "c", "portfolios/growth/cash", position=sold, edition=cash["edition"]
            )
            assert (told["type"], told["rows"]) == ("change", {})
            elsewhere = stood | {"edition": held["edition"] + 1}
            assert watcher.subscribe("q", POSITIONS, **elsewhere)["type"] == "snapshot"
            ahead = stood | {"position": 2**62}
            assert watcher.subscribe("r", POSITIONS, **ahead)["type"] == "snapshot"

    def test_of_values_moves_with_marks(self, addresses: Addresses, teller: NewTeller) -> None:
        """A tick changes what is held at its value, and nothing that is booked."""
        tenant = new_tenant()
        owner, market = funded(teller, tenant), teller("market_data", tenant=MARKET_TENANT)
        bought = trade(owner, "buy", "10", "100")
        owner.ask(f"{OWN}/positions", min_position=bought, wait_seconds=20)
        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            watcher.subscribe("p", POSITIONS)
            first = watcher.subscribe("v", "portfolios/growth/pnl")
            assert first["rows"][NAME]["price_source"] == "trade"
            mark(market, "111.5")
            state = watcher.until_state("v", lambda rows: rows[NAME]["price"] == "111.5")
            assert state[NAME]["market_value"] == "1115"
            assert state[NAME]["unrealised_gross"] == "115"
            assert watcher.kinds["p"] == ["snapshot"]

    def test_is_what_the_queries_say(self, addresses: Addresses, teller: NewTeller) -> None:
        """Buys, sales, busts and deposits in any order; every destination ends at its query."""
        tenant, drawn = new_tenant(), random.Random(7)
        owner, market = funded(teller, tenant), teller("market_data", tenant=MARKET_TENANT)
        queries = {"pnl": "positions", "cash": "cash", "trades": "trades"}
        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            for name in (*queries, "positions"):
                watcher.subscribe(name, f"portfolios/growth/{name}")
            traded: list[str] = []
            for number in range(25):
                deed = drawn.choice(["buy", "buy", "sell", "sell", "bust", "mark"])
                if deed == "mark":
                    mark(market, str(drawn.randint(90, 110)))
                elif deed == "bust" and traded:
                    gone = traded.pop(drawn.randrange(len(traded)))
                    path = f"/v1/trades/desk-1/{gone}/busts"
                    owner.tell(path, portfolio="growth", reason="error")
                elif deed != "bust":
                    traded.append(f"fill-{number}")
                    size = str(drawn.randint(1, 9))
                    trade(owner, deed, size, "100", external_id=traded[-1])
            last = owner.tell(f"{OWN}/deposits", amount="1", currency="USD", value_date=DAY)[
                "position"
            ]
            watcher.until_state("cash", lambda rows: rows["USD"]["changed_position"] == last)
            for name, path in queries.items():
                asked = owner.ask(f"{OWN}/{path}", min_position=last, wait_seconds=20)
                wanted = {_key(item): item for item in asked["items"]}
                assert watcher.until_state(name, wanted.__eq__) == wanted
            held = {_key(row): row["quantity"] for row in watcher.states["pnl"].values()}
            seen = {_key(row): row["quantity"] for row in watcher.states["positions"].values()}
            assert seen == held


class TestWhatIsAskedAnew:
    """Risk, sectors, the market, the drop copy, the read models themselves."""

    def test_is_what_the_queries_say(self, addresses: Addresses, teller: NewTeller) -> None:
        """Before and behind a trade and a mark; what stays the same is not told again."""
        tenant = new_tenant()
        owner, market = funded(teller, tenant), teller("market_data", tenant=MARKET_TENANT)
        told = mark(market, "50")
        owner.ask("/v1/market", name=NAME, min_position=told, wait_seconds=20)
        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            watcher.subscribe("risk", "portfolios/growth/risk")
            watcher.subscribe("sectors", "portfolios/growth/sectors")
            watcher.subscribe("market", "market")
            watcher.subscribe("mark", f"market/{NAME}")
            assert watcher.subscribe("none", "market/NOSUCH")["code"] == "not_found"
            trade(owner, "buy", "10", "49")
            last = mark(market, "51.5")
            watcher.until_state("mark", lambda rows: rows[NAME]["price"] == "51.5")
            watcher.until_state("market", lambda rows: rows[NAME]["price"] == "51.5")
            watcher.until_state("risk", lambda rows: rows["risk"]["valued"]["nav"] == "100025")
            for name in ("risk", "sectors"):
                path = f"{OWN}/{name}"
                item = owner.ask(path, min_position=last, wait_seconds=20)["item"]
                watcher.until_state(name, {name: item}.__eq__)
            told = owner.ask("/v1/market", name=NAME, min_position=last)["items"]
            assert [watcher.states["market"][NAME]] == told

    def test_the_drop_copy_goes_on_where_its_reader_stood(
        self, addresses: Addresses, teller: NewTeller
    ) -> None:
        """The lines of the query, each once; another's source is refused."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        trade(owner, "buy", "1", "10")
        system = token(tenant, "execution", source="desk-1")
        with watching(addresses.read, system) as watcher:
            refused = watcher.subscribe("other", "sources/desk-2/outcomes")
            assert refused["code"] == "source_not_yours"
            watcher.subscribe("all", "sources/desk-1/outcomes", position=0)
            watcher.subscribe("new", "sources/desk-1/outcomes")
            trade(owner, "sell", "1", "10")
            watcher.until_state("all", lambda rows: len(rows) >= 2)
            watcher.until_state("new", lambda rows: len(rows) >= 1)
        lines = owner.read.get("/v1/sources/desk-1/outcomes").text.splitlines()
        assert list(watcher.states["all"].values()) == [json.loads(line) for line in lines]

    def test_the_drop_copy_begins_anew_for_whoever_is_ahead_of_the_log(
        self, addresses: Addresses, teller: NewTeller
    ) -> None:
        """Of a log that lost its end and was told on, no line is left out."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        last = trade(owner, "buy", "1", "10")
        owner.ask("/v1/sources/desk-1/state", min_position=last, wait_seconds=20)
        path, ahead = "sources/desk-1/outcomes", last + 1_000_000
        with watching(addresses.read, token(tenant, "execution", source="desk-1")) as watcher:
            told = watcher.subscribe("all", path, position=ahead)
            assert told["type"] == "snapshot"
            assert last <= told["position"] < ahead
            trade(owner, "sell", "1", "10")
            watcher.until_state("all", lambda rows: len(rows) >= 1)

    def test_the_drop_copy_comes_in_pieces_and_whole(
        self, addresses: Addresses, teller: NewTeller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More lines than one answer takes, to whoever returns after a while."""
        monkeypatch.setattr(shared_destinations, "LINES_AT_ONCE", 2)
        tenant = new_tenant()
        owner = funded(teller, tenant)
        for _ in range(5):
            last = trade(owner, "buy", "1", "10")
        path = "/v1/sources/desk-1/outcomes"
        owner.ask("/v1/sources/desk-1/state", min_position=last, wait_seconds=20)
        lines = [json.loads(line) for line in owner.read.get(path).text.splitlines()]
        assert len(lines) == 5
        with watching(addresses.read, token(tenant, "execution", source="desk-1")) as watcher:
            first = watcher.subscribe("all", "sources/desk-1/outcomes", position=0)
            assert len(first["rows"]) < len(lines)
            state = watcher.until_state("all", lambda rows: len(rows) >= 5)
            assert list(state.values()) == lines
            assert set(watcher.kinds["all"]) == {"change"}

    def test_the_system_says_how_far_it_is(self, addresses: Addresses, teller: NewTeller) -> None:
        """Every read model; a deposit moves them all. Only to roles that read the system."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            assert watcher.subscribe("s", "system")["code"] == "role_missing"
        with watching(addresses.read, token(tenant, "auditor")) as watcher:
            assert {"positions", "cash"} <= watcher.subscribe("s", "system")["rows"].keys()
            last = owner.tell(f"{OWN}/deposits", amount="1", currency="USD", value_date=DAY)
            watcher.until_state("s", lambda rows: rows["cash"]["position"] >= last["position"])


class TestAClient:
    """Who may come in, what it may ask, and when it is sent away."""

    def test_is_told_what_is_wrong_and_stays(self, addresses: Addresses, teller: NewTeller) -> None:
        """Errors of subscriptions name them."""
        tenant = new_tenant()
        funded(teller, tenant)
        with watching(addresses.read, token(tenant, "execution")) as watcher:
            assert watcher.subscribe("a", "nowhere")["code"] == "destination_unknown"
            assert watcher.subscribe("a", POSITIONS)["code"] == "role_missing"
            theirs = "portfolios/theirs/trades"
            assert watcher.subscribe("a", theirs)["code"] == "not_found"
            back = watcher.subscribe("a", theirs, position=1, edition=0)
            assert back["code"] == "not_found"
            assert watcher.subscribe("a", "portfolios/growth/trades")["type"] == "snapshot"
            again = watcher.subscribe("a", "portfolios/growth/trades")
            assert again["code"] == "subscription_taken"
            watcher.say(type="unsubscribe", id="a")
            assert watcher.hear() == {"type": "unsubscribed", "id": "a"}
            watcher.say(type="unsubscribe", id="a")
            assert watcher.hear()["code"] == "subscription_unknown"
            for text in ("", "[]", "{", '{"type":"x"}', '{"type":"subscribe","id":1}', "\0"):
                watcher.socket.send(text)
                assert watcher.hear()["code"] == "message_malformed"
            for number in range(20):
                watcher.subscribe(f"s{number}", "portfolios/growth/trades")
            over = watcher.subscribe("over", "portfolios/growth/trades")
            assert over["code"] == "too_many_subscriptions"

    def test_sees_nothing_of_another_tenant(self, addresses: Addresses, teller: NewTeller) -> None:
        """Portfolios of one name in two tenants."""
        one, other = new_tenant(), new_tenant()
        funded(teller, one)
        theirs = funded(teller, other)
        with watching(addresses.read, token(one, "viewer")) as watcher:
            watcher.subscribe("p", "portfolios")
            watcher.subscribe("c", "portfolios/growth/cash")
            theirs.tell("/v1/portfolios", portfolio="secret", base_currency="USD")
            theirs.tell(f"{OWN}/deposits", amount="5", currency="USD", value_date=DAY)
            mine = teller(tenant=one)
            mine.tell(f"{OWN}/deposits", amount="7", currency="USD", value_date=DAY)
            state = watcher.until_state("c", lambda rows: rows["USD"]["balance"] != "100000")
            assert state["USD"]["balance"] == "100007"
            mine.tell("/v1/portfolios", portfolio="second", base_currency="USD")
            state = watcher.until_state("p", lambda rows: len(rows) > 1)
            assert sorted(state) == ["growth", "second"]

    def test_may_give_its_token_first(self, addresses: Addresses, teller: NewTeller) -> None:
        """As browsers do, which cannot send headers; without one it gets nothing."""
        tenant = new_tenant()
        funded(teller, tenant)
        with watching(addresses.read, None) as watcher:
            watcher.say(type="connect", token=token(tenant, "viewer"))
            assert watcher.hear()["type"] == "connected"
            assert watcher.subscribe("p", POSITIONS)["type"] == "snapshot"
        for first, code in (
            ({"type": "connect", "token": "none"}, "token_invalid"),
            ({"type": "connect"}, "token_missing"),
            ({"type": "subscribe", "id": "p", "destination": POSITIONS}, "not_connected"),
        ):
            with watching(addresses.read, None) as watcher:
                watcher.say(**first)
                assert watcher.hear()["code"] == code
                with pytest.raises(ConnectionClosed) as closed:
                    watcher.hear()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, code)

    def test_is_cut_off_when_its_token_expires(self, addresses: Addresses) -> None:
        """With the reason, and a close code of its own."""
        brief = token(new_tenant(), "viewer", lifetime=timedelta(seconds=3))
        with watching(addresses.read, brief) as watcher:
            assert watcher.subscribe("p", "portfolios")["rows"] == {}
            assert watcher.hear()["code"] == "token_expired"
            with pytest.raises(ConnectionClosed) as closed:
                watcher.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401


class TestThePage:
    """`docs/live.md`."""

    def test_its_client_works(self, addresses: Addresses, teller: NewTeller) -> None:
        """As it stands there, with nothing but an address and a token."""
        tenant = new_tenant()
        owner = teller(tenant=tenant)
        owner.tell("/v1/portfolios", portfolio="alpha", base_currency="USD")
        last = trade(owner, "buy", "3", "10", portfolio="alpha")
        owner.ask("/v1/portfolios/alpha/positions", min_position=last, wait_seconds=20)
        page = (REPOSITORY / "docs" / "live.md").read_text()
        (snippet,) = re.findall(r"<!-- live-json -->\n```python\n(.*?)```", page, re.DOTALL)
        names: dict[str, Any] = {
            "address": addresses.read.replace("http", "ws", 1) + "/v1/live",
            "token": token(tenant, "viewer"),
        }
        exec(snippet, names)  # noqa: S102 - it is our own page
        assert names["state"][NAME]["quantity"] == "3"


def mark(market: Teller, price: str) -> int:
    """Tell a price of the instrument; give the position."""
    told = market.tell(
        "/v1/marks", at="2024-01-04T15:00:00Z", marks=[{"instrument": NAME, "price": price}]
    )
    position: int = told["position"]
    return position


def _key(item: dict[str, Any]) -> str:
    """Name a row as live does."""
    if "balance" in item:
        return str(item["currency"])
    return str(item["position" if "trade_id" in item else "instrument"])
