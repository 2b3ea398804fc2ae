"""Days on which an exchange has a session and a currency is paid: searched in committed tables.

Beyond the ends of a table nothing is known, and nothing is guessed.
"""

from datetime import date
from functools import cache
from typing import NamedTuple

from domain.calendar_days import ClosedDays
from domain.calendar_days.aud import CLOSED as AUD
from domain.calendar_days.cad import CLOSED as CAD
from domain.calendar_days.chf import CLOSED as CHF
from domain.calendar_days.eur import CLOSED as EUR
from domain.calendar_days.gbp import CLOSED as GBP
from domain.calendar_days.hkd import CLOSED as HKD
from domain.calendar_days.inr import CLOSED as INR
from domain.calendar_days.jpy import CLOSED as JPY
from domain.calendar_days.sek import CLOSED as SEK
from domain.calendar_days.sgd import CLOSED as SGD
from domain.calendar_days.usd import CLOSED as USD
from domain.calendar_days.xams import CLOSED as XAMS
from domain.calendar_days.xasx import CLOSED as XASX
from domain.calendar_days.xbom import CLOSED as XBOM
from domain.calendar_days.xetr import CLOSED as XETR
from domain.calendar_days.xhkg import CLOSED as XHKG
from domain.calendar_days.xlon import CLOSED as XLON
from domain.calendar_days.xmad import CLOSED as XMAD
from domain.calendar_days.xmil import CLOSED as XMIL
from domain.calendar_days.xnys import CLOSED as XNYS
from domain.calendar_days.xpar import CLOSED as XPAR
from domain.calendar_days.xses import CLOSED as XSES
from domain.calendar_days.xsto import CLOSED as XSTO
from domain.calendar_days.xswx import CLOSED as XSWX
from domain.calendar_days.xtks import CLOSED as XTKS
from domain.calendar_days.xtse import CLOSED as XTSE

SESSIONS = {
    "XNYS": XNYS,
    "XNAS": XNYS,  # The same holidays since before the table begins.
    "XTSE": XTSE,
    "XLON": XLON,
    "XETR": XETR,
    "XPAR": XPAR,
    "XAMS": XAMS,
    "XMIL": XMIL,
    "XMAD": XMAD,
    "XSWX": XSWX,
    "XSTO": XSTO,
    "XTKS": XTKS,
    "XHKG": XHKG,
    "XSES": XSES,
    "XASX": XASX,
    "XBOM": XBOM,
}
PAYMENTS = {
    "USD": USD,
    "CAD": CAD,
    "GBP": GBP,
    "EUR": EUR,
    "CHF": CHF,
    "SEK": SEK,
    "JPY": JPY,
    "HKD": HKD,
    "SGD": SGD,
    "AUD": AUD,
    "INR": INR,
}


class BusinessDays(NamedTuple):
    """Days as ordinals, ascending: all there are from `first` to `last`."""

    first: date
    last: date
    ordinals: tuple[int, ...]


@cache
def business_days(calendar: str, currency: str) -> BusinessDays | None:
    """Give the days with both a session and payments; None without tables of them.

    Markets that never close (`24/7`) have a session every day.
    """
    payments = PAYMENTS.get(currency)
    sessions = payments if calendar == "24/7" else SESSIONS.get(calendar)
    if payments is None or sessions is None:
        return None
    first, last = max(payments.first, sessions.first), min(payments.last, sessions.last)
    closed = closed_ordinals(payments) | closed_ordinals(sessions)
    days = range(first.toordinal(), last.toordinal() + 1)
    # Day 1 of all ordinals is a Monday.
    open_days = tuple(day for day in days if (day - 1) % 7 < 5 and day not in closed)  # noqa: PLR2004
    return BusinessDays(first, last, open_days)


@cache
def closed_ordinals(table: ClosedDays) -> frozenset[int]:
    """Give the ordinals of a table's closed weekdays."""
    years = [line.split() for line in table.years.split("\n") if line]
    return frozenset(
        date(int(year), int(day[:2]), int(day[2:])).toordinal()
        for year, *days in years
        for day in days
    )
