"""What is done to a portfolio can be read where it was done: its list, its cash, its NAV."""

from __future__ import annotations

from tests.read_api.conftest import NewTeller, Teller

OWN = "/v1/portfolios/growth"
DAY = "2024-01-03"


def funded(teller: NewTeller) -> Teller:
    """A new tenant with a portfolio that holds 1,000 dollars."""
    owner = teller()
    owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
    owner.tell(f"{OWN}/deposits", amount="1000", currency="USD", value_date=DAY)
    return owner


class TestAPortfolio:
    """Read behind the position of the write."""

    def test_is_listed_as_it_stands(self, teller: NewTeller) -> None:
        """Title, owner, benchmark, state, and how far its books are closed."""
        owner = funded(teller)
        owner.tell(f"{OWN}/titles", title="Growth fund")
        owner.tell(f"{OWN}/owners", owner="user-7")
        owner.tell(f"{OWN}/benchmarks", benchmark="SPX", from_date=DAY)
        owner.tell(f"{OWN}/period-closures", until=DAY)
        last = owner.tell(f"{OWN}/freezes", reason="audit")

        listed = owner.ask("/v1/portfolios", min_position=last["position"])["items"]
        one = owner.ask(OWN, min_position=last["position"])["item"]

        assert listed == [one]
        assert (
            one.items()
            >= {
                "title": "Growth fund",
                "owner": "user-7",
                "benchmark": "SPX",
                "benchmark_from": DAY,
                "state": "frozen",
                "frozen_reason": "audit",
                "closed_on": None,
                "period_closed_until": DAY,
                "changed_position": last["position"],
            }.items()
        )

    def test_shows_its_cash_by_kind(self, teller: NewTeller) -> None:
        """A fee, interest and an exchange with its fee, beside the deposit."""
        owner = funded(teller)
        dated = {"value_date": DAY}
        owner.tell(f"{OWN}/fees", kind="custody", amount="2.5", currency="USD", **dated)
        owner.tell(f"{OWN}/interest", amount="-0.5", currency="USD", **dated)
        last = owner.tell(
            f"{OWN}/exchanges",
            intent="proposed",
            sold={"amount": "100", "currency": "USD"},
            bought={"amount": "80", "currency": "EUR"},
            fee={"amount": "3", "currency": "EUR"},
            **dated,
        )

        balances = owner.ask(f"{OWN}/cash", min_position=last["position"])["items"]
        movements = owner.ask(f"{OWN}/cash/movements", min_position=last["position"])["items"]

        euros, dollars = balances
        assert (euros["balance"], euros["exchanged"], euros["fees"]) == ("77", "80", "-3")
        assert (
            dollars.items()
            >= {
                "balance": "897",
                "deposits": "1000",
                "charges": "-2.5",
                "interest": "-0.5",
                "exchanged": "-100",
            }.items()
        )
        kinds = [(each["kind"], each["amount"], each["currency"]) for each in movements]
        assert kinds == [
            ("fee", "-3", "EUR"),
            ("exchange", "80", "EUR"),
            ("exchange", "-100", "USD"),
            ("interest", "-0.5", "USD"),
            ("custody_fee", "-2.5", "USD"),
            ("deposit", "1000", "USD"),
        ]
