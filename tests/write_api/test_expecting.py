"""`If-Match`: a command is decided only while what it acts on has the version that it expects."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, instrument, key, trade

OWN = "/v1/portfolios/growth"
CASH = {"amount": "5", "currency": "USD", "value_date": "2020-01-03"}


def told(
    client: httpx.Client, path: str, body: object, *, version: object, name: str | None = None
) -> httpx.Response:
    """Send a command that expects a version."""
    return client.post(path, json=body, headers=key(name) | {"If-Match": f'"{version}"'})


def mismatch(answer: httpx.Response) -> int:
    """The version that there is, as a refusal for another one tells it."""
    problem = assert_problem(answer, 412, "version_mismatch")
    assert problem["outcome"] == "not_attempted"
    assert answer.headers["etag"] == f'"{problem["version"]}"'
    version: int = problem["version"]
    return version


class TestExpectingAVersion:
    """What the caller saw is what the command meets."""

    def test_is_accepted_as_that_version_and_names_the_next(
        self, client: Client, portfolio: str
    ) -> None:
        """The ETag of one answer is the expectation of the next command."""
        first = told(client(), f"{OWN}/deposits", CASH, version=2)
        second = client().post(
            f"{OWN}/deposits", json=CASH, headers=key() | {"If-Match": first.headers["etag"]}
        )

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.headers["etag"] == '"3"'
        assert second.headers["etag"] == '"4"'

    def test_another_version_refuses_and_writes_nothing(
        self, client: Client, portfolio: str
    ) -> None:
        """412 with the version that there is; the key is unused, and its command never seen."""
        name = uuid4().hex
        answer = told(client(), f"{OWN}/deposits", CASH, version=1, name=name)

        assert mismatch(answer) == 2
        command = client().get(f"/v1/commands/{answer.json()['command_id']}")
        assert command.json()["outcome"] == "never_seen"

    def test_the_same_key_tries_again_with_what_there_is(
        self, client: Client, portfolio: str
    ) -> None:
        """The expectation is no part of the command's content."""
        name = uuid4().hex
        version = mismatch(told(client(), f"{OWN}/deposits", CASH, version=9, name=name))

        answer = told(client(), f"{OWN}/deposits", CASH, version=version, name=name)
        again = told(client(), f"{OWN}/deposits", CASH, version=version, name=name)

        assert answer.status_code == 201
        assert again.json() == answer.json() | {"replayed": True}, "an outcome is told, not decided"

    def test_what_is_not_there_has_version_zero(self, client: Client) -> None:
        """Of a portfolio nobody opened."""
        assert mismatch(told(client(), "/v1/portfolios/none/deposits", CASH, version=1)) == 0


class TestWhatItIsTheVersionOf:
    """A capture acts on its portfolio, a correction on its trade, a change on its instrument."""

    @pytest.mark.parametrize(
        ("deed", "body"),
        [
            ("withdrawals", CASH),
            ("titles", {"title": "Growth"}),
            ("freezes", {"reason": "court_order"}),
            ("fees", CASH | {"kind": "custody"}),
            ("cost-basis", {"cost_basis": "AVERAGE", "from_date": "2020-01-03"}),
        ],
    )
    def test_a_deed(
        self, client: Client, portfolio: str, deed: str, body: dict[str, object]
    ) -> None:
        """The portfolio's."""
        assert mismatch(told(client(), f"{OWN}/{deed}", body, version=1)) == 2
        assert told(client(), f"{OWN}/{deed}", body, version=2).status_code == 201

    def test_a_capture(self, client: Client, portfolio: str, apple: str) -> None:
        """The portfolio's: so no other trade came between."""
        body = trade(apple)

        assert mismatch(told(client(), "/v1/trades", body, version=7)) == 2
        answer = told(client(), "/v1/trades", body, version=2)

        assert answer.status_code == 201
        assert answer.headers["etag"] == '"1"', "of the trade that there is now"
        assert mismatch(told(client(), "/v1/trades", trade(apple), version=2)) == 3

    def test_corrections_and_settlement(self, client: Client, portfolio: str, apple: str) -> None:
        """The trade's, which counts its own events only."""
        client().post("/v1/trades", json=trade(apple, external_id="a"), headers=key())
        own = "/v1/trades/desk-1/a"
        amended = trade(apple, revision=1, quantity="11")
        del amended["external_id"], amended["intent"]
        settlement = {"settlement_id": "s", "portfolio": "growth", "settled_on": "2020-01-07"}
        bust = {"portfolio": "growth", "reason": "wrong"}

        for number, (path, body) in enumerate(
            [("amendments", amended), ("settlements", settlement), ("busts", bust)], start=1
        ):
            assert mismatch(told(client(), f"{own}/{path}", body, version=number + 1)) == number
            answer = told(client(), f"{own}/{path}", body, version=number)
            assert answer.status_code == 201, answer.text

    def test_a_change_of_an_instrument(self, market: httpx.Client, apple: str) -> None:
        """The instrument's."""
        path, body = (
            f"/v1/instruments/{apple}/titles",
            {"title": "Apple", "from_date": "2020-01-02"},
        )

        assert mismatch(told(market, path, body, version=4)) == 1
        assert told(market, path, body, version=1).status_code == 201


class TestAMalformedExpectation:
    """Is refused before anything is decided."""

    @pytest.mark.parametrize(
        "given", ["7", '"x"', "*", 'W/"7"', '"1", "2"', '"-1"', '""', '"1234567890123456789"']
    )
    def test_names_the_header(self, client: Client, portfolio: str, given: str) -> None:
        """One version, quoted."""
        answer = client().post(f"{OWN}/deposits", json=CASH, headers=key() | {"If-Match": given})

        problem = assert_problem(answer, 400, "if_match_malformed")
        assert problem["fields"] == ["If-Match"]

    def test_nor_twice(self, client: Client, portfolio: str) -> None:
        """Nobody could say which counts."""
        headers = [*key().items(), ("If-Match", '"2"'), ("If-Match", '"2"')]

        answer = client().post(f"{OWN}/deposits", json=CASH, headers=headers)

        assert_problem(answer, 400, "if_match_malformed")

    def test_is_not_ignored_where_nothing_has_one_version(
        self, client: Client, market: httpx.Client
    ) -> None:
        """A batch, a block over portfolios, something new: there it is an error."""
        for sender, path, body in (
            (client(), "/v1/trades:batch", []),
            (client(), "/v1/blocks", {}),
            (market, "/v1/instruments", instrument("NEW")),
        ):
            assert_problem(told(sender, path, body, version=1), 400, "if_match_unsupported")
