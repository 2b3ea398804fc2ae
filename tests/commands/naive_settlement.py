"""What custodians told in the naive model: kept word by word, summed anew whenever it is asked."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from domain.lots import Side
from domain.trade import Capture

ZERO = Decimal(0)
STEP = Decimal("0.000000000001")


class Word(NamedTuple):
    """A custodian's word: a settlement, a fail, or the end of one."""

    kind: str
    number: int
    quantity: Decimal | None = None
    cash: Decimal | None = None
    is_reversal: bool = False


def cash_of(capture: Capture) -> Decimal:
    """What a trade moves."""
    sign = -1 if capture.side is Side.BUY else 1
    return sign * capture.quantity * capture.price - capture.fee


class Unsettled:
    """The cash of trades in a portfolio that waits for a custodian, and what was settled."""

    def __init__(self) -> None:
        self.awaited: defaultdict[date, Decimal] = defaultdict(Decimal)
        self.failing: defaultdict[date, Decimal] = defaultdict(Decimal)
        self.settled = ZERO

    def add(self, capture: Capture, words: list[Word], *, is_busted: bool) -> None:
        """Take a trade in: of a busted one nothing is due, and what was settled comes back."""
        assert capture.trade_date is not None, "captures here are dated"
        whole = cash_of(capture)
        quantity, part, cash = ZERO, ZERO, ZERO
        for word in words:
            if word.kind != "settle":
                continue
            told = word.quantity
            if told is None:
                told = capture.quantity if word.cash is None else ZERO
            told = -told if word.is_reversal else told
            quantity += told
            part += told if word.cash is None else ZERO
            cash += word.cash or ZERO
        cash += (whole * part / capture.quantity).quantize(STEP)
        over = {word.number for word in words if word.kind == "resume"}
        fails = [word for word in words if word.kind == "fail" and word.number not in over]
        rest = (ZERO if is_busted else whole) - cash
        is_failing = bool(fails) and not is_busted and quantity < capture.quantity
        where = self.failing if is_failing and rest * whole > 0 else self.awaited
        where[capture.trade_date] += rest
        self.settled += cash

    def lowest(self, flows: Decimal) -> Decimal:
        """The lowest balance to come: what fails to be paid is owed, what fails to come is not."""
        balance = (
            flows + self.settled + sum((min(each, ZERO) for each in self.failing.values()), ZERO)
        )
        found = [balance]
        for day in sorted(self.awaited):
            balance += self.awaited[day]
            found.append(balance)
        return min(found)

    def is_anything(self) -> bool:
        """Whether some day has something left to settle."""
        return any(self.awaited.values()) or any(self.failing.values())
