"""What is done to a portfolio besides trades and flows, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key, trade

OWN = "/v1/portfolios/growth/"
DAY = "2020-01-03"
CHARGE: dict[str, object] = {"amount": "5", "currency": "USD", "value_date": DAY}
EXCHANGE: dict[str, object] = {
    "intent": "proposed",
    "sold": {"amount": "100", "currency": "USD"},
    "bought": {"amount": "80", "currency": "EUR"},
    "value_date": DAY,
}
BODIES: dict[str, dict[str, object]] = {
    "titles": {"title": "Growth & income, Zürich"},
    "owners": {"owner": "user|7"},
    "benchmarks": {"benchmark": "SPX", "from_date": DAY},
    "cost-basis": {"cost_basis": "AVERAGE", "from_date": DAY},
    "fees": CHARGE | {"kind": "custody"},
    "interest": CHARGE,
    "exchanges": EXCHANGE,
    "freezes": {"reason": "court_order"},
    "period-closures": {"until": DAY},
}


def done(client: httpx.Client, deed: str, body: object) -> httpx.Response:
    """Do something to the portfolio under a new key."""
    return client.post(OWN + deed, json=body, headers=key())


class TestADeed:
    """Each is accepted, durable, and says where."""

    @pytest.mark.parametrize("deed", BODIES)
    def test_is_accepted(self, client: Client, portfolio: str, deed: str) -> None:
        """It is the third event of the portfolio: opened, funded, and this."""
        answer = done(client(), deed, BODIES[deed])

        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert (told["outcome"], told["stream_version"]) == ("accepted", 3)
        assert "warnings" not in told
        assert portfolio == "growth"

    @pytest.mark.parametrize("deed", ["titles", "owners", "benchmarks", "freezes", "cost-basis"])
    def test_is_told_once_where_it_still_stands(
        self, client: Client, portfolio: str, deed: str
    ) -> None:
        """The same content under another key is the first acceptance."""
        first, again = (done(client(), deed, BODIES[deed]) for _ in range(2))

        assert again.json() == first.json() | {"replayed": True}
        assert portfolio

    @pytest.mark.parametrize("deed", BODIES)
    def test_needs_a_portfolio_that_is_there(self, client: Client, deed: str) -> None:
        """Nothing was opened here."""
        assert_problem(done(client(), deed, BODIES[deed]), 422, "portfolio_unknown")

    @pytest.mark.parametrize(
        ("deed", "changes", "code", "field"),
        [
            ("titles", {"title": "two\nlines"}, "field_invalid", "title"),
            ("owners", {"owner": "someone@example.org"}, "field_invalid", "owner"),
            ("benchmarks", {"from_date": "1066-01-01"}, "out_of_range", "from_date"),
            ("cost-basis", {"cost_basis": "BEST"}, "field_invalid", "cost_basis"),
            ("cost-basis", {"from_date": "1066-01-01"}, "out_of_range", "from_date"),
            ("fees", {"amount": "0"}, "out_of_range", "amount"),
            ("fees", {"kind": "bribe"}, "field_invalid", "kind"),
            ("fees", {"value_date": None}, "date_missing", "value_date"),
            ("interest", {"amount": 5}, "field_invalid", "amount"),
            ("exchanges", {"rate": "0"}, "out_of_range", "rate"),
            (
                "exchanges",
                {"sold": {"amount": "-1", "currency": "USD"}},
                "out_of_range",
                "sold.amount",
            ),
            ("freezes", {"reason": "Because of Mr Smith"}, "field_invalid", "reason"),
            ("period-closures", {"until": "9999-12-31"}, "out_of_range", "until"),
        ],
    )
    def test_names_the_field_it_does_not_understand(
        self, client: Client, portfolio: str, deed: str, changes: dict[str, object],
        code: str, field: str,
    ) -> None:  # fmt: skip
        """400, and nothing is decided."""
        answer = done(client(), deed, BODIES[deed] | changes)

        assert_problem(answer, 400, code)
        assert answer.json()["fields"] == [field]
        assert portfolio


class TestFacts:
    """A fee, interest or an executed exchange books, and says what it breaches."""

    @pytest.mark.parametrize(
        ("deed", "changes", "rule"),
        [
            ("fees", {"amount": "100001"}, "negative_cash"),
            ("interest", {"amount": "-100001"}, "negative_cash"),
            (
                "exchanges",
                {"intent": "executed", "sold": {"amount": "100001", "currency": "USD"}},
                "insufficient_cash",
            ),
        ],
    )
    def test_warn_of_what_they_leave(
        self, client: Client, portfolio: str, deed: str, changes: dict[str, object], rule: str
    ) -> None:
        """100,000 dollars are there."""
        answer = done(client(), deed, BODIES[deed] | changes)

        assert answer.status_code == 201, answer.text
        assert [each["rule"] for each in answer.json()["warnings"]] == [rule]
        assert portfolio

    def test_are_asked_for_where_they_may_be(self, client: Client, portfolio: str) -> None:
        """A proposed exchange beyond the cash there is refused, with every breach."""
        sold = {"amount": "100001", "currency": "USD"}

        answer = done(client(), "exchanges", EXCHANGE | {"sold": sold, "rate": "1"})

        assert_problem(answer, 422, "insufficient_cash")
        rules = [each["rule"] for each in answer.json()["breaches"]]
        assert rules == ["insufficient_cash", "rate_mismatch"]
        assert portfolio


class TestRestricting:
    """From freezing and closing books to the end of a portfolio."""

    def test_a_freeze_stops_what_is_asked(self, client: Client, portfolio: str, apple: str) -> None:
        """A trade and a withdrawal are refused until it is lifted; an executed trade books."""
        admin = client()
        assert done(admin, "freezes", {"reason": "court_order"}).status_code == 201

        asked = admin.post("/v1/trades", json=trade(apple), headers=key())
        told = admin.post("/v1/trades", json=trade(apple, intent="executed"), headers=key())
        taken = done(admin, "withdrawals", CHARGE)
        assert done(admin, "unfreezes", {"reason": "order_lifted"}).status_code == 201

        assert_problem(asked, 422, "portfolio_frozen")
        assert_problem(taken, 422, "portfolio_frozen")
        assert [each["rule"] for each in told.json()["warnings"]] == ["portfolio_frozen"]
        assert done(admin, "withdrawals", CHARGE).status_code == 201
        assert portfolio

    def test_a_closed_period_is_reopened_for_a_reason(self, client: Client, portfolio: str) -> None:
        """Deposits dated in it are refused, then not."""
        admin, controller = client(), client("controller")
        assert done(controller, "period-closures", {"until": DAY}).status_code == 201
        refused = done(admin, "deposits", CHARGE)
        reopening = {"from_date": DAY, "reason": "late_report"}
        assert done(controller, "period-reopenings", reopening).status_code == 201

        assert_problem(refused, 422, "period_closed")
        assert done(admin, "deposits", CHARGE).status_code == 201
        unexplained = done(controller, "period-reopenings", {"from_date": DAY})
        assert_problem(unexplained, 400, "field_invalid")
        assert portfolio

    def test_a_portfolio_ends_empty(self, client: Client, portfolio: str) -> None:
        """Not while it holds cash; once emptied it takes no deposit any more."""
        admin = client()
        held = done(admin, "closures", {"on_date": DAY})
        everything = CHARGE | {"amount": "100000"}
        assert done(admin, "withdrawals", everything).status_code == 201
        closed = done(admin, "closures", {"on_date": DAY})

        assert_problem(held, 422, "cash_held")
        assert closed.status_code == 201, closed.text
        assert_problem(done(admin, "deposits", CHARGE), 422, "portfolio_closed")
        assert portfolio
