"""Struck figures: what a portfolio's figures were when a session closed, kept as they were told.

A figure says by which method and calculation it was made, with which parameters, and of which log
positions its inputs were; so it can be made again, and compared with what is known later.
"""

from datetime import date
from decimal import Decimal

import msgspec

from domain.event import Event

FIGURES_MAX = 16
PARAMETERS_MAX = 16


class Parameter(msgspec.Struct, frozen=True, gc=False):
    """What a method was told, as text: a level, a window."""

    name: str
    value: str


class StruckFigure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One figure: its value, in the currency of the event, or the `reason` why there is none.

    Its inputs were all that the log told up to `position`; `market_position` is that of the newest
    price among them.
    """

    name: str
    value: Decimal | None = None
    reason: str | None = None
    method: str
    calculation: str
    position: int
    market_position: int
    parameters: tuple[Parameter, ...] = ()


class FiguresStruck(Event, frozen=True):
    """The figures of a portfolio at the end of a session, which the log told at `closed_at`."""

    portfolio: str
    session: date
    closed_at: int
    currency: str
    figures: tuple[StruckFigure, ...]
