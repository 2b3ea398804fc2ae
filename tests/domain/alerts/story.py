"""A log told by hand, event by event, and what its rules lead to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.alerts.events import AlertRuleDeclared, JudgedEvent
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.alerts.watching import Told, Watching
from domain.event import Event
from domain.figures import FiguresStruck, Parameter, StruckFigure
from domain.identity import MARKET_TENANT, derive
from domain.instrument import AssetClass, InstrumentRegistered
from domain.lots import CostBasis, Side
from domain.market import BusinessTimeReached, Mark, MarketMarked
from domain.portfolio.events import PortfolioOpened
from domain.trade import Capture, Intent

ACME = "acme"
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)


class Story:
    """Tells events, each a command of its own unless told together; gathers what is judged.

    `told` is what another evaluation judged of it before.
    """

    def __init__(self, told: Sequence[JudgedEvent] = ()) -> None:
        self.watching = Watching({ACME: told})
        self.judged: list[JudgedEvent] = []
        self.position = 0
        self._at = NOON
        for name in ("AAPL", "MSFT"):
            self.register(name)
        opened = PortfolioOpened(
            portfolio="growth", base_currency="USD", cost_basis=CostBasis.FIFO, calendar="XNYS",
            allows_leverage=True, allows_short=True,
        )  # fmt: skip
        self.tell(opened)
        self.time(0)

    def tell(self, *events: Event, tenant: str = ACME) -> None:
        """Tell what one command led to."""
        command = derive("test", str(self.position))
        for event in events:
            self.position += 1
            told = Told(self.position, tenant, command, event)
            self.judged += [each.event for each in self.watching.fold(told)]
        self.judged += [each.event for each in self.watching.judge()]

    def register(self, name: str, currency: str = "USD") -> None:
        """Register an instrument that trades in New York."""
        registered = InstrumentRegistered(
            instrument=name, symbol=name, currency=currency, asset_class=AssetClass.EQUITY,
            calendar="XNYS",
        )  # fmt: skip
        self.tell(registered, tenant=MARKET_TENANT)

    def time(self, seconds: float) -> None:
        """Let business time come so many seconds behind noon."""
        self._at = NOON + timedelta(seconds=seconds)
        self.tell(BusinessTimeReached(at=self._at), tenant=MARKET_TENANT)

    def mark(self, seconds: float, **prices: str) -> None:
        """Mark instruments then."""
        marks = tuple(Mark(name, Decimal(price)) for name, price in prices.items())
        at = NOON + timedelta(seconds=seconds)
        self.tell(MarketMarked(source="feed", at=at, marks=marks), tenant=MARKET_TENANT)

    def rule(self, kind: AlertKind, raise_above: str, clear_at: str, **changes: Any) -> None:
        """Declare a rule of the kind's name, in the whole tenant."""
        wanted: dict[str, Any] = {
            "kind": kind,
            "scope": AlertScope(),
            "raise_above": Decimal(raise_above),
            "clear_at": Decimal(clear_at),
            "steps": (AlertStep(level=AlertLevel.WARNING),),
        }
        terms = AlertTerms(**(wanted | changes))
        self.tell(AlertRuleDeclared(alert_rule=kind, version=1, declared_by="one", terms=terms))

    @property
    def words(self) -> list[str]:
        """The kinds of what was judged."""
        return [type(each).__name__.removeprefix("Alert").lower() for each in self.judged]


def capture(external_id: str, seconds: float | None = None, **changes: Any) -> Capture:
    """A proposed buy of 100 AAPL at 10, done so many seconds behind noon."""
    wanted: dict[str, Any] = {
        "portfolio": "growth",
        "source": "oms",
        "external_id": external_id,
        "intent": Intent.PROPOSED,
        "instrument": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(100),
        "price": Decimal(10),
        "currency": "USD",
        "executed_at": None if seconds is None else NOON + timedelta(seconds=seconds),
    }
    return Capture(**(wanted | changes))


def trade(number: int) -> UUID:
    """Name a trade."""
    return derive("test", "trade", str(number))


def struck(loss: str | None, nav: str | None, level: str = "0.99") -> FiguresStruck:
    """Figures of a session: value at risk at one level, and NAV."""

    def figure(name: str, value: str | None, *parameters: Parameter) -> StruckFigure:
        return StruckFigure(
            name=name,
            value=None if value is None else Decimal(value),
            reason="uncovered" if value is None else None,
            method="historical",
            calculation="risk 1",
            position=1,
            market_position=1,
            parameters=parameters,
        )

    return FiguresStruck(
        portfolio="growth",
        session=NOON.date(),
        closed_at=1,
        currency="USD",
        figures=(figure("nav", nav), figure("value_at_risk", loss, Parameter("level", level))),
    )
