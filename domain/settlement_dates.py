"""Settlement dates: how many business days after its trade date a trade settles (convention 10).

A cycle is dated by trade date, by market. Before its first date, and beyond the ends of the tables
of days, nothing is guessed.
"""

from bisect import bisect_left, bisect_right
from datetime import date
from functools import lru_cache

from domain.business_days import business_days
from domain.rejection import Rejection

CACHED_DATES_MAX = 65_536

# Europe's common change of 6 October 2014, ahead of Article 5(2) of Regulation (EU) 909/2014, which
# asks for the next day from 11 October 2027; the United Kingdom and Switzerland plan that same day.
_EUROPE = ((date(1990, 1, 1), 3), (date(2014, 10, 6), 2), (date(2027, 10, 11), 1))
# SEC Rule 15c6-1 and its amendments: T+3 of 1995, T+2 of 2017, T+1 of 2024.
_UNITED_STATES = (
    (date(1995, 6, 7), 3),
    (date(2017, 9, 5), 2),
    (date(2024, 5, 28), 1),
)
CYCLES: dict[str, tuple[tuple[date, int], ...]] = {
    "24/7": ((date.min, 0),),
    "XNYS": _UNITED_STATES,
    "XNAS": _UNITED_STATES,
    # Canadian Capital Markets Association: with the United States, in 2024 a day before them, as
    # that Monday was a holiday there.
    "XTSE": ((date(1995, 6, 7), 3), (date(2017, 9, 5), 2), (date(2024, 5, 27), 1)),
    "XLON": _EUROPE,
    # Germany settled on the second day before the rest of Europe did.
    "XETR": ((date(1990, 1, 1), 2), (date(2027, 10, 11), 1)),
    "XPAR": _EUROPE,
    "XAMS": _EUROPE,
    "XMIL": _EUROPE,
    # Iberclear: Spanish equities joined later, with the reform of 2016.
    "XMAD": ((date(1990, 1, 1), 3), (date(2016, 9, 29), 2), (date(2027, 10, 11), 1)),
    "XSWX": _EUROPE,
    "XSTO": _EUROPE,
    # Japan Exchange Group: T+2 for trades from 16 July 2019.
    "XTKS": ((date(1997, 1, 1), 3), (date(2019, 7, 16), 2)),
    # HKSCC: the second day since the central clearing system opened in 1992.
    "XHKG": ((date(1992, 10, 9), 2),),
    # SGX: T+2 for trades from 10 December 2018.
    "XSES": ((date(1990, 1, 1), 3), (date(2018, 12, 10), 2)),
    # ASX: T+3 from 1 February 1999, T+2 from 7 March 2016.
    "XASX": ((date(1999, 2, 1), 3), (date(2016, 3, 7), 2)),
    # SEBI: T+2 from 1 April 2003; T+1 came share by share, for the largest from 27 January 2023.
    "XBOM": ((date(2003, 4, 1), 2), (date(2023, 1, 27), 1)),
}


@lru_cache(maxsize=CACHED_DATES_MAX)
def settlement_date(*, calendar: str, currency: str, trade_date: date) -> date:
    """Give the n-th day after a trade date with both a session and payments; n by the cycle.

    With n = 0 the trade date itself, or the next such day.

    Raises:
        Rejection: `settlement_date_unknown` where cycle, sessions or payments are not known.
    """
    days_after = _days_after(calendar, trade_date)
    days = business_days(calendar, currency)
    if days is None:
        raise _unknown(f"no payment calendar of {currency} is kept")
    if days_after is None or not days.first <= trade_date <= days.last:
        raise _unknown(f"{calendar} and {currency} are not known for {trade_date}")
    if days_after == 0:
        index = bisect_left(days.ordinals, trade_date.toordinal())
    else:
        index = bisect_right(days.ordinals, trade_date.toordinal()) + days_after - 1
    if index >= len(days.ordinals):
        raise _unknown(f"{calendar} and {currency} are known until {days.last} only")
    return date.fromordinal(days.ordinals[index])


def value_date_of(calendar: str, currency: str, trade_date: date) -> date | None:
    """Give the settlement date; None where it is not known."""
    try:
        return settlement_date(calendar=calendar, currency=currency, trade_date=trade_date)
    except Rejection:
        return None


def _days_after(calendar: str, trade_date: date) -> int | None:
    known = [days for start, days in CYCLES[calendar] if start <= trade_date]
    return known[-1] if known else None


def _unknown(reason: str) -> Rejection:
    message = f"The settlement date is not known: {reason}."
    return Rejection("settlement_date_unknown", message)
