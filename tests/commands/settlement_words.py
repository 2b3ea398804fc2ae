"""What custodians tell in the desk's machine, and what cash it leaves, by value date."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from commands.command import Command
from commands.settlement_commands import FailSettlement, ResumeSettlement, SettleTrade
from domain.portfolio.state import Dated
from domain.settlement_dates import settlement_date
from tests.commands.naive_settlement import Word
from tests.commands.scenes import TUESDAY

sizes = st.integers(1, 5).map(Decimal)
words = st.builds(
    Word,
    kind=st.sampled_from(["settle", "settle", "fail", "resume"]),
    number=st.integers(1, 3),
    quantity=st.none() | sizes,
    cash=st.none() | st.integers(-30, 30).map(Decimal),
    is_reversal=st.sampled_from([False, False, True]),
).map(lambda word: word if word.kind == "settle" else Word(word.kind, word.number))


def word_command(name: str, portfolio: str, word: Word) -> Command:
    """The command that tells a custodian's word."""
    named: dict[str, Any] = {"source": "desk-1", "external_id": name, "portfolio": portfolio}
    if word.kind == "settle":
        return SettleTrade(
            **named,
            settlement_id=f"s-{word.number}",
            settled_on=TUESDAY,
            quantity=word.quantity,
            cash_change=word.cash,
            is_reversal=word.is_reversal,
        )
    failure = f"f-{word.number}"
    if word.kind == "resume":
        return ResumeSettlement(**named, failure_id=failure, resumed_on=TUESDAY)
    return FailSettlement(**named, failure_id=failure, failed_on=TUESDAY, reason="no_cash")


def due(found: Dated) -> dict[date, Decimal]:
    """What is there in dollars, by value date."""
    return {day: amount for day, amount in found.get("USD", {}).items() if amount}


def due_of(expected: dict[date, Decimal]) -> dict[date, Decimal]:
    """The same by value date instead of trade date."""
    return {
        settlement_date(calendar="XNYS", currency="USD", trade_date=day): amount
        for day, amount in expected.items()
        if amount
    }
