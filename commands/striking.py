"""Striking figures at the end of a session: the command of the reaction, and its handler.

Figures have a stream of their own beside the portfolio's, so that what a portfolio decides reads
none of them. That a session is struck once rests on the command's name (see the reaction).
"""

from commands.command import Command, Issued
from commands.decision import Addressed, Decision
from commands.view import View
from domain.figures import FiguresStruck
from domain.identity import figures_stream


class StrikeFigures(Command, frozen=True, tag="strike_figures"):
    """Tell what figures were when a session closed: the fact itself; by a reaction only."""

    struck: FiguresStruck


def strike_figures(issued: Issued, command: StrikeFigures, view: View) -> Decision:  # noqa: ARG001
    """Tell it: figures are facts, and nothing about them can be refused."""
    stream = figures_stream(issued.tenant, command.struck.portfolio)
    return Decision(events=(Addressed(stream, issued.tenant, command.struck),), of_stream=stream)
