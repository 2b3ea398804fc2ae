"""Fingerprints are kept in the log for ever: what they are made of is frozen here."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commands.alerts import (
    AcknowledgeAlert,
    DeclareAlertRule,
    RequestAlertDelivery,
    ResolveAlert,
    RetireAlertRule,
    TellAlert,
)
from commands.benchmarks import DeclareBenchmark
from commands.command import (
    AmendTrade,
    ApplyCorporateActions,
    BustBlock,
    BustTrade,
    ChangeInstrument,
    CloseSession,
    Command,
    CorrectClose,
    DepositCash,
    MarkMarket,
    OpenPortfolio,
    ReachTime,
    RegisterSource,
    ReleaseTrade,
    SettleCash,
    WithdrawCash,
    fingerprint_of,
)
from commands.deciding import HANDLERS
from commands.observing import ObserveUsage, UsedOn
from commands.reviewing import ReviewLimits
from commands.settlement_commands import FailSettlement, ResumeSettlement, SettleTrade
from commands.striking import StrikeFigures
from domain.alerts.events import AlertCleared
from domain.benchmark import BenchmarkKind, Constituent, Rebalancing
from domain.figures import FiguresStruck, StruckFigure
from domain.instrument import InstrumentDelisted
from domain.lots import CostBasis
from domain.market import Close, Mark, Rate
from domain.money import Money
from domain.source import NamingScope
from tests.commands.block_scenes import block
from tests.commands.contest_golden import CONTEST_GOLDEN
from tests.commands.control_golden import CONTROL_GOLDEN
from tests.commands.portfolio_golden import PORTFOLIO_GOLDEN
from tests.commands.scenes import APPLE, MONDAY, NOON, capture, register
from tests.schemas.alert_samples import ALERT, AT, LEAST_ALERT_TERMS

OPENS_AT = datetime(2024, 1, 8, 14, 30, tzinfo=UTC)
MONEY = Money(Decimal("12.50"), "USD")

DEPOSIT = DepositCash(portfolio="alpha", amount=MONEY, value_date=MONDAY)
DEPOSIT_TEXT = (
    b'{"amount":{"amount":"12.50","currency":"USD"},"portfolio":"alpha",'
    b'"type":"deposit_cash","value_date":"2024-01-08"}'
)

TOLD: dict[str, Any] = {"source": "desk-1", "external_id": "t-1", "portfolio": "alpha"}

GOLDEN: dict[str, Command] = {
    "793ef9965a22f540ffd0052502a7c4b75a20b04c0ec6f6335ddefc65f92976ea": capture("t-1"),
    "dd99aa5815e9cf6c4f6c5fc77bcd123c6c0cb616e8e5a2a22023b25ea683fe3f": AmendTrade(
        revision=1, capture=capture("t-1").capture
    ),
    "dda4ebbafe78793e56cac40f10334e90f1dd13404773ac818e059dfeb0ca72b7": BustTrade(
        source="desk-1", external_id="t-1", portfolio="alpha", reason="typo"
    ),
    "a734ad400df0cabc46f11ee1bfefb42c90a7bdabbda858f95cff24c35aac8ba5": block(),
    "0be370aa83c8cc2f649c231c7309d9948f02b62666b8637131a34cd94c2ac08f": BustBlock(
        source="desk-1", external_id="BLOCK-1", reason="typo"
    ),
    "a9fcc9de8ca12678771675eee19f4fe58d815e3f9e40dd82f253414b7d5a5c8a": SettleTrade(
        **TOLD, settlement_id="s-1", settled_on=MONDAY
    ),
    "5a6ff393da1377394f2a0c1681c925b9b2f409229c1e119bb91a40445ab38eb9": FailSettlement(
        **TOLD, failure_id="f-1", failed_on=MONDAY, reason="no_securities"
    ),
    "b61721209e864e6bd027469a59aaa456eb04d557a08dd1c87d6e99b89399acf3": ResumeSettlement(
        **TOLD, failure_id="f-1", resumed_on=MONDAY
    ),
    "8e3b2f1a08b472c3c3f02722241e48020cada144d1d4729ca3ff2adb492348ff": ReleaseTrade(UUID(int=7)),
    "7a1bc4ca4189b6d8bbd307cb8ab998399f71fc3dd8e35a2dace9644e15412d7e": OpenPortfolio(
        portfolio="alpha", base_currency="USD", cost_basis=CostBasis.FIFO
    ),
    "bedb0550ef51abe48de163033d436c2b2f3f577f1599623d433b82fa5eeef660": DEPOSIT,
    "7f346ea04cb9e13f9605d7a868a5eae81834424a04851484d783a85fec1e8aa0": WithdrawCash(
        portfolio="alpha", amount=MONEY, value_date=MONDAY
    ),
    "79c7c62a349b5805688a238d21c1787e83a0633072a1c3971d659a786b7ff60b": SettleCash(
        portfolio="alpha", until=MONDAY
    ),
    "ff1ffc5310bf6751f1f52ad94706d07ba71f3ace5f5a8686a00bd08d3d828bb4": register(),
    "1c714621560b5a4ce3e5431c9e33dd84e339ccfef08df69fae5712d1b19f8e9d": RegisterSource(
        "desk-1", NamingScope.TRADE_DATE
    ),
    "2cf6f4c2b8b497511722727e6acc7a14e98ffa800064aab0cf0267e6cb65a61f": MarkMarket(
        source="feed",
        at=NOON,
        marks=(Mark(APPLE, Decimal("190.5")),),
        rates=(Rate("EUR", "USD", Decimal("1.1")),),
    ),
    "a6d4532ba946953935033a1e76584835fd6e83423bf66bb8a60d7014b2576af1": CloseSession(
        calendar="XNYS",
        session=MONDAY,
        starts_at=OPENS_AT,
        ends_at=OPENS_AT + timedelta(hours=6),
        closes=(Close(instrument=APPLE, price=Decimal(10)),),
    ),
    "e5fb9ea87d7881d81a6d91f5a2f61b05ea80549b946322cef4b44f2043836765": CorrectClose(
        calendar="XNYS", session=MONDAY, instrument=APPLE, price=None, reason="typo"
    ),
    "6edef01f6a895e9deef304712747a340db4c0f6a9015c8198fad74cb408e4c40": ChangeInstrument(
        InstrumentDelisted(instrument=APPLE, on_date=MONDAY)
    ),
    "62d4ca9452685bbc44fe5f4826c6c002baaaa2f01036fe1e4437ff3a6d59d0ed": DeclareBenchmark(
        benchmark="TECH",
        from_date=MONDAY,
        currency="USD",
        calendar="XNYS",
        kind=BenchmarkKind.REBALANCED,
        constituents=(Constituent(APPLE, Decimal(1)),),
        rebalancing=Rebalancing.QUARTERLY,
    ),
    "17db9edb174453057eae776baab56de53a40807ec92d7cb24f531258b87e5fc1": StrikeFigures(
        FiguresStruck(
            portfolio="alpha",
            session=MONDAY,
            closed_at=7,
            currency="USD",
            figures=(
                StruckFigure(
                    name="nav",
                    value=Decimal("12.5"),
                    method="m",
                    calculation="c 1",
                    position=7,
                    market_position=7,
                ),
            ),
        )
    ),
    "69aa76e48d09cf1c313713af4dd125aba82dba7b76b049770ea81db416a54df2": ReachTime(at=NOON),
    "0d93c05834b2f177a18bc44b90b12e8d72a3fc100bf5a93c75d4fc8d99afe8a7": ApplyCorporateActions(
        portfolio="alpha"
    ),
    "4cd8926fccb5ae7c305ea7c072874390dd9cefc029ce1d17286a6c6b6bf69eb1": ObserveUsage(
        limit="firm-day",
        counted_from=3,
        used=(UsedOn(MONDAY, Decimal("82889.87")),),
        as_of=1_234,
        observed_at=datetime(2024, 1, 8, 14, 30, tzinfo=UTC),
    ),
    "33e50c7b862e9f855066c8cc4d2679cc61db03c6486f6c6c3e41dd7d6ca5b73c": DeclareAlertRule(
        alert_rule="leverage", terms=LEAST_ALERT_TERMS
    ),
    "5c317dade298d152df3851bad9465491a8bb64e79b5104fd9b85b4c3f5d4e6a4": RetireAlertRule(
        alert_rule="leverage", version=1, reason="noise"
    ),
    "b4e517fe309c80e930d6a6a9869e4aa149e2dee4dc7fbe487e79cf0b0bdfeb9c": AcknowledgeAlert(ALERT),
    "5aebb2d602162eedf589aeccbbe0cd5df10606dff58b8f4d222db539ac403de2": ResolveAlert(
        alert=ALERT, reason="hedged"
    ),
    "7d9b1e635f3099fb1ccf06092165cdc82f73ca4b867b1605bdbd72e75254cb8a": TellAlert(
        AlertCleared(calculation="alerts 1", alert=ALERT, at=AT, as_of=1_400)
    ),
    "eb21bfff097166e46ffba7a092ecdc701af44d7ce8a79f775e14eaf1c31cec00": RequestAlertDelivery(
        alert=ALERT, told_position=1_300, channel="head"
    ),
    "504156862f4112fdca7e5e2b2f728560df0f532211f0a899d86ac1ccb4502a24": ReviewLimits("alpha"),
    **PORTFOLIO_GOLDEN,
    **CONTROL_GOLDEN,
    **CONTEST_GOLDEN,
}


class DepositOfLater(Command, frozen=True, kw_only=True, tag="deposit_cash"):
    """A deposit as a later release may know it: one optional field more."""

    portfolio: str
    amount: Money
    value_date: date | None = None
    at: datetime | None = None
    reference: str | None = None


class TestFingerprinting:
    """The same command has the same fingerprint in every release."""

    @pytest.mark.parametrize(
        ("digest", "command"),
        [pytest.param(*each, id=type(each[1]).__name__) for each in GOLDEN.items()],
    )
    def test_gives_what_was_written_down(self, digest: str, command: Command) -> None:
        """A change here makes every retry across the upgrade a false conflict."""
        assert fingerprint_of(command).hex() == digest

    def test_is_written_down_for_every_command(self) -> None:
        """A command that the desk handles has its golden fingerprint above."""
        assert {type(each) for each in GOLDEN.values()} == set(HANDLERS)

    def test_hashes_the_sorted_fields_that_are_there(self) -> None:
        """An absent optional field does not enter the JSON."""
        assert fingerprint_of(DEPOSIT) == hashlib.sha256(DEPOSIT_TEXT).digest()

    def test_survives_a_field_added_later(self) -> None:
        """The new field is absent, so the fingerprint is as before; present, it counts."""
        absent = DepositOfLater(portfolio="alpha", amount=MONEY, value_date=MONDAY)
        present = DepositOfLater(
            portfolio="alpha", amount=MONEY, value_date=MONDAY, reference="wire 7"
        )

        assert fingerprint_of(absent) == fingerprint_of(DEPOSIT)
        assert fingerprint_of(present) != fingerprint_of(DEPOSIT)
