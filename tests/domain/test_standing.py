"""Standing limits: what a portfolio is exposed to, and which breaches open and close by it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from domain.corporate_actions import Split, Terms
from domain.instrument import (
    AssetClass,
    CorporateActionDeclared,
    Instrument,
    InstrumentRegistered,
)
from domain.limits.controls import Limit
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.limits.exposure import Exposure, Valuing, exposure_of
from domain.limits.scope import Scope
from domain.limits.standing import WITHOUT_VALUE, Judged, review
from domain.limits.terms import LimitRule, LimitTerms
from domain.marks import Marks, Quote
from domain.portfolio.overdue import Acting
from domain.portfolio.state import BreachKey, breach_key
from domain.rules.valuing import Valuation

NOON = datetime(2024, 1, 8, 17, tzinfo=UTC)
SECTORS = {"AAPL": "Tech", "MSFT": "Tech", "XOM": "Energy"}


def limit(name: str, rule: LimitRule, maximum: str, *, version: int = 1, **scope: str) -> Limit:
    """A standing limit."""
    return Limit(
        name, version, LimitTerms(rule=rule, scope=Scope(**scope), maximum=Decimal(maximum))
    )


GEARING = limit("gearing", LimitRule.LEVERAGE, "2")
ONE_NAME = limit("one-name", LimitRule.POSITION_CONCENTRATION, "0.5")
ONE_TECH = limit("one-tech", LimitRule.POSITION_CONCENTRATION, "0.4", sector="Tech")
ONE_SECTOR = limit("one-sector", LimitRule.SECTOR_CONCENTRATION, "0.6")
ALL = (GEARING, ONE_NAME, ONE_SECTOR, ONE_TECH)


def judged(exposure: Exposure | None, market_position: int = 7) -> Judged:
    """An exposure by a market."""
    return Judged(exposure, SECTORS.__getitem__, market_position, NOON)


def exposed(cash: int = 0, **values: int) -> Exposure:
    """An exposure of some values and cash."""
    signed = {name: Decimal(value) for name, value in values.items() if value}
    gross = sum((abs(value) for value in signed.values()), Decimal(0))
    return Exposure(signed, gross, sum(signed.values(), Decimal(cash)))


def naive_keys(limits: tuple[Limit, ...], found: Exposure) -> set[BreachKey]:
    """Recompute, in fractions and place by place, what is exceeded."""
    values = {name: Fraction(value) for name, value in found.values.items()}
    gross, nav = Fraction(found.gross), Fraction(found.net_asset_value)
    keys: set[BreachKey] = set()
    if not gross:
        return keys
    for each in limits:
        assert each.terms.maximum is not None
        maximum, scope = Fraction(each.terms.maximum), each.terms.scope
        if each.terms.rule is LimitRule.LEVERAGE:
            if nav <= 0 or gross / nav > maximum:
                keys.add((each.name, None, None))
        elif each.terms.rule is LimitRule.POSITION_CONCENTRATION:
            keys |= {
                (each.name, name, None)
                for name, value in values.items()
                if abs(value) / gross > maximum and scope.sector in {None, SECTORS[name]}
            }
        else:
            for sector in set(SECTORS.values()):
                part = sum(abs(values[name]) for name in values if SECTORS[name] == sector)
                if part / gross > maximum and scope.sector in {None, sector}:
                    keys.add((each.name, None, sector))
    return keys


amounts = st.integers(-10, 10)
steps = st.lists(
    st.tuples(
        st.none() | st.builds(exposed, amounts, AAPL=amounts, MSFT=amounts, XOM=amounts),
        st.sets(st.sampled_from(range(len(ALL)))),
    ),
    max_size=8,
)


class TestReviewing:
    """Breaches open and close in turn, and those open are those there are."""

    @given(steps)
    def test_leaves_open_what_a_recount_finds(
        self, told: list[tuple[Exposure | None, set[int]]]
    ) -> None:
        """Whatever moved: values, cash or limits; what cannot be valued changes nothing."""
        held: dict[BreachKey, LimitBreachOpened] = {}
        for found, chosen in told:
            limits = tuple(ALL[index] for index in sorted(chosen))
            before = set(held)

            for event in review("alpha", limits, dict(held), judged(found)):
                key = breach_key(event)
                if isinstance(event, LimitBreachOpened):
                    assert key not in held
                    held[key] = event
                else:
                    del held[key]

            names = {each.name for each in limits}
            expected = {key for key in before if key[0] in names}
            if found is not None:
                expected = naive_keys(limits, found)
            assert set(held) == expected
            assert review("alpha", limits, held, judged(found)) == []

    def test_is_inclusive_and_says_how_far(self) -> None:
        """Just half is within; of three quarters the rest of the story is told."""
        at_limit = judged(exposed(AAPL=50, XOM=50))
        beyond = judged(exposed(AAPL=-75, XOM=25))

        assert review("alpha", [ONE_NAME], {}, at_limit) == []
        (opened,) = review("alpha", [ONE_NAME], {}, beyond)

        assert opened == LimitBreachOpened(
            portfolio="alpha",
            limit="one-name",
            version=1,
            rule=LimitRule.POSITION_CONCENTRATION,
            maximum=Decimal("0.5"),
            actual=Decimal("0.75"),
            market_position=7,
            at=NOON,
            instrument="AAPL",
        )

    def test_closes_by_the_version_in_force(self) -> None:
        """Raised, the limit is breached no more; ended, there is nothing to judge by."""
        (opened,) = review("alpha", [ONE_NAME], {}, judged(exposed(AAPL=75, XOM=25)))
        assert isinstance(opened, LimitBreachOpened)
        held = {breach_key(opened): opened}
        raised = limit("one-name", LimitRule.POSITION_CONCENTRATION, "0.8", version=2)

        (by_limit,) = review("alpha", [raised], held, judged(exposed(AAPL=75, XOM=25)))
        (by_end,) = review("alpha", [], held, judged(None))
        (by_sale,) = review("alpha", [ONE_NAME], held, judged(exposed(XOM=25, MSFT=25)))
        (by_all_sold,) = review("alpha", [ONE_NAME], held, judged(exposed(100)))

        told = [by_limit, by_end, by_sale, by_all_sold]
        assert all(isinstance(each, LimitBreachClosed) for each in told)
        assert [(each.version, each.actual) for each in told] == [
            (2, Decimal("0.75")), (1, None), (1, Decimal(0)), (1, None),
        ]  # fmt: skip

    def test_of_leverage_knows_a_portfolio_that_lost_everything(self) -> None:
        """Gross value over nothing, or less: told as ten to the twelfth."""
        (lost,) = review("alpha", [GEARING], {}, judged(exposed(-80, AAPL=75)))

        assert lost.actual == WITHOUT_VALUE


class Quantity(NamedTuple):
    """A position."""

    quantity: Decimal


class Traded(NamedTuple):
    """A fill."""

    price: Decimal
    trade_date: date


class Positions:
    """Positions by instrument, and the price at which each was traded last."""

    def __init__(self, prices: dict[str, Traded] | None = None, **quantities: int) -> None:
        self.books = {name: Quantity(Decimal(each)) for name, each in quantities.items()}
        self.traded = prices or {}
        self.valued: Valuation | None = None
        self.moved: set[str] = set()


class TestValuing:
    """At the mark and the rate in force, all or nothing."""

    def test_adds_positions_cash_and_dividends(self) -> None:
        """Shorts count with their sign in the value, without it in the gross."""
        balances = [("USD", Decimal(100)), ("EUR", Decimal(50)), ("USD", Decimal(3))]

        found = exposure(balances, Positions(AAPL=10, SAP=-2))

        assert found == Exposure(
            {"AAPL": Decimal(100), "SAP": Decimal(-250)}, Decimal(350), Decimal("15.5")
        )

    def test_takes_the_own_last_price_where_there_is_no_mark(self) -> None:
        """Convention 5."""
        traded = {"NEW": Traded(Decimal(7), date(2024, 1, 8))}

        found = exposure([], Positions(traded, NEW=2))

        assert found is not None
        assert found.gross == 14

    def test_is_none_where_anything_is_missing(self) -> None:
        """A price, or a rate; what is not held needs none."""
        assert exposure([], Positions(AAPL=1, NEW=1)) is None
        assert exposure([("JPY", Decimal(1))], Positions()) is None
        nothing = exposure([("JPY", Decimal(0))], Positions(NEW=0))
        assert nothing == Exposure({}, Decimal(0), Decimal(0))

    def test_reads_a_mark_of_before_a_split_in_the_units_of_after(self) -> None:
        """The position has ten times as many units, and is worth the same."""
        split = Split(action="s", instrument="AAPL", ex_date=date(2024, 1, 9), new=10, old=1)
        apple = registered("AAPL", "USD")
        apple.apply(CorporateActionDeclared(instrument="AAPL", terms=Terms.of(split)))

        found = exposure([], Positions(AAPL=100), NOON + timedelta(days=1), AAPL=apple)

        assert found is not None
        assert found.gross == 100


def registered(name: str, currency: str) -> Instrument:
    """An instrument on the New York calendar."""
    instrument = Instrument()
    instrument.apply(
        InstrumentRegistered(
            instrument=name,
            symbol=name,
            currency=currency,
            asset_class=AssetClass.EQUITY,
            calendar="XNYS",
        )
    )
    return instrument


def exposure(
    balances: list[tuple[str, Decimal]],
    positions: Positions,
    at: datetime = NOON,
    **changed: Instrument,
) -> Exposure | None:
    """Value in dollars: AAPL marked at 10 USD and SAP at 100 EUR, a euro at 1.25 dollars."""
    marks = Marks()
    marks.take("AAPL", Quote(NOON - timedelta(hours=1), Decimal(10), 1))
    marks.take("SAP", Quote(NOON - timedelta(hours=1), Decimal(100), 1))
    known = {
        "AAPL": registered("AAPL", "USD"),
        "SAP": registered("SAP", "EUR"),
        "NEW": registered("NEW", "USD"),
        **changed,
    }
    rates = {("EUR", "USD"): Decimal("1.25")}
    acting = Acting(known.get)
    by = Valuing(at, marks, lambda base, quote, _: rates.get((base, quote)), acting)
    return exposure_of(positions, balances, base_currency="USD", by=by)
