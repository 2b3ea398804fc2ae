"""Commands of a portfolio besides trades and flows, with the fingerprints they have for ever."""

from decimal import Decimal

from commands.command import Command
from commands.portfolio_commands import (
    AssignBenchmark,
    AssignOwner,
    BookInterest,
    ChangeCostBasis,
    ChargeFee,
    ClosePeriod,
    ClosePortfolio,
    ExchangeCash,
    FreezePortfolio,
    RenamePortfolio,
    ReopenPeriod,
    TransferLots,
    UnfreezePortfolio,
)
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.life import FeeKind
from domain.trade import Intent
from tests.commands.scenes import MONDAY

MONEY = Money(Decimal("12.50"), "USD")

PORTFOLIO_GOLDEN: dict[str, Command] = {
    "4e085ef20503fe4f69342cdb2ff9f98b54c7fe6c1cdfd6cc9cee8c72558f0fb7": RenamePortfolio(
        "alpha", "Growth"
    ),
    "099e8ea3d9a8961b73e24fce3bdbce8db5ba210067699c68c6cc33a2260768c0": AssignOwner(
        "alpha", "user-1"
    ),
    "a950da38e8da5fe7d594da597864d6872be354b1a48e2f32567bd90437d2d202": AssignBenchmark(
        "alpha", "SPX", MONDAY
    ),
    "d50fec2c17f651e12cd60f914b2f10940bbf6badd0d03bb812b6cce50eca7cf0": ChangeCostBasis(
        portfolio="alpha", cost_basis=CostBasis.LIFO, from_date=MONDAY
    ),
    "720b46bd498eb4f74711a88654eb9daae65ef70826f9ea04e57d257255383deb": TransferLots(
        portfolio="alpha",
        transfer="m-1",
        to_portfolio="beta",
        instrument="AAPL",
        quantity=Decimal(100),
        trade_date=MONDAY,
    ),
    "2069e65561dd4322a35a3a7cfa2998eb0ac0f59dbf3fbc682ec32fe557457f73": ChargeFee(
        portfolio="alpha", kind=FeeKind.CUSTODY, amount=MONEY, value_date=MONDAY
    ),
    "9e1e2ffff2a0440e8c6dee69ab7b20c5ddb11c9ecf837f64b01862e8746c9a79": BookInterest(
        portfolio="alpha", amount=MONEY, value_date=MONDAY
    ),
    "4941a5ef7c03b954a99cb2a4c422abf8ee41980dcb22c4ad1a72539c7ea6434b": ExchangeCash(
        portfolio="alpha",
        intent=Intent.PROPOSED,
        sold=MONEY,
        bought=Money(Decimal(10), "EUR"),
        value_date=MONDAY,
    ),
    "792a155753c03cc1fcae5f7a98961f325736fff50cfdcbb7c0eb970a86523ffe": FreezePortfolio(
        "alpha", "court_order"
    ),
    "9c6a3b6083dd3223f5543d1fad86827c61ec58bab79b30995b03ebe8c99a07b5": UnfreezePortfolio(
        "alpha", "order_lifted"
    ),
    "d6a65dc82dd17b33efd334f51e45352f33e315477dca1c3675eba1de566658e2": ClosePortfolio(
        "alpha", MONDAY
    ),
    "07dae9e7678ac98cd25d161ffc58e44fafa34254903f9e61ce05f0684df597a8": ClosePeriod(
        "alpha", MONDAY
    ),
    "78ef3be65adc6b6e4e3d6d9b6867c1ebc2d6326295a81a5f8af46c843bf1ad2b": ReopenPeriod(
        "alpha", MONDAY, "late_report"
    ),
}
