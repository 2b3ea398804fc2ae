"""Everything a portfolio holds, slot by slot, so that two of them can be held against each other.

A kind of value that is not known here is an error, not something taken for equal.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.book import Book
from domain.open_lots import QueuedLots, RankedLots
from domain.portfolio.day_counts import DayCounts
from domain.portfolio.dues import Dues
from domain.portfolio.state import Portfolio
from schemas.snapshots import BOOK_NOT_STORED, BOOK_REMEMBERED, PORTFOLIO_NOT_STORED


def described(held: object, *, remembered: bool = True) -> object:
    """Describe all that something holds; what only makes late fills quick, where wanted."""
    left_out = BOOK_NOT_STORED if remembered else BOOK_NOT_STORED | BOOK_REMEMBERED
    return _described(held, {Portfolio: PORTFOLIO_NOT_STORED, Book: left_out})


def _described(held: object, left_out: Mapping[type, frozenset[str]]) -> object:
    match held:
        case None | bool() | int() | str() | Decimal() | UUID() | datetime() | date():
            return repr(held)
        case Mapping():
            return [[repr(key), _described(value, left_out)] for key, value in held.items()]
        case Portfolio() | Book():
            kind = Book if isinstance(held, Book) else Portfolio
            names = sorted(set(kind.__slots__) - left_out[kind])
            return [[name, _described(getattr(held, name), left_out)] for name in names]
        case QueuedLots() | RankedLots() if "steps" in left_out[Book]:
            return _described(list(held), left_out)
        case QueuedLots():
            return ["queued", held._newest_first, _described(held._lots, left_out)]
        case RankedLots():
            numbered = sorted(held.lots.values())
            ranks = sorted({entry for entry in held.heap if held._is_open(entry)})
            state = (held.by_cost, held.next_number, numbered, ranks)
            return ["ranked", _described(state, left_out)]
        case Dues():
            return ["dues", _described(held.outstanding, left_out)]
        case DayCounts():
            return ["counts", _described(held.days, left_out), repr(held.forgotten)]
        case msgspec.Struct():
            fields = msgspec.structs.astuple(held)
            return [type(held).__name__, *(_described(each, left_out) for each in fields)]
        case Sequence() | deque():
            return [_described(each, left_out) for each in held]
        case _:
            raise TypeError(f"no way is known to compare {type(held)}")
