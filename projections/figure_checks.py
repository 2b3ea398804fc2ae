"""Struck figures against the log: each is made again of what the log told up to its inputs.

The tables of `performance` are on their way from nothing, and stop where inputs were: there the
published methods are asked again. A figure of another calculation may well have another value: it
is counted as not comparable, never as a fault.
"""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg.rows import tuple_row

from domain.figures import FiguresStruck, StruckFigure
from domain.money import SMALLEST
from eventstore.partitions import Partition
from projections.asking import Readable
from projections.building import Building, Connection, Progress
from projections.defects import DEFECTS, told_of
from projections.findings import Check
from projections.performance.figures import NAV, figures_again
from projections.read_model import Placed
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

FIGURES_MAX = 200
"""Strikings held against the log by default, the last told first: each is asked anew."""

RELATIVE_MAX = 1e-12
"""By so much statistics may differ between builds (convention 16); a NAV is exact."""

_TOLD = """
SELECT position, tenant, data FROM log.events
WHERE event_type = %s AND position <= %s ORDER BY position DESC
"""


class _Told(NamedTuple):
    """Figures as the log tells them, and the last position among their inputs."""

    position: int
    tenant: str
    struck: FiguresStruck
    inputs: int


class _Beside(Partition):
    """A partition of the log in tables made beside the live ones."""

    __slots__ = ()

    @property
    def suffix(self) -> str:
        """What they have behind their name."""
        return f"{super().suffix}_verify"


def check_figures(
    connection: Connection,
    placed: Placed,
    building: Building,
    *,
    until: int,
    limit: int,
    progress: Progress,
) -> Check:
    """Make the figures of at most so many strikings again; `building` goes along up to `until`.

    Those told last are held against the log, in the order of their inputs.
    """
    check = Check(f"struck figures are what the log gives{placed.partition.suffix}")
    readable = Readable(connection, (_Beside(*placed.partition),))
    incomparable = 0
    for told in _told(connection, placed.partition, until, limit):
        building.fold_until(told.inputs, progress)
        struck = told.struck
        subject = f"position {told.position}, {told.tenant} / {struck.portfolio} / {struck.session}"
        try:
            made = figures_again(
                readable, tenant=told.tenant, portfolio=struck.portfolio, session=struck.session
            )
        except DEFECTS as error:
            check.fail(f"{subject}: the figures cannot be made again: {told_of(error)}")
            continue
        if made is None:
            check.fail(f"{subject}: no such session was struck")
            continue
        again = {each.name: each for each in made}
        for figure in struck.figures:
            check.counted += 1
            other = again.get(figure.name)
            if other is not None and _is_same(figure, other):
                continue
            if other is None or other.calculation != figure.calculation:
                incomparable += 1
                continue
            check.fail(f"{subject}, {figure.name}: struck {_shown(figure)}, made {_shown(other)}")
    if incomparable:
        check.note = f"{incomparable:,} of another calculation differ: not comparable"
    return check


def _told(connection: Connection, partition: Partition, until: int, limit: int) -> Iterator[_Told]:
    """Give the last strikings of a partition, those with the earliest inputs first."""
    found: list[_Told] = []
    with connection.cursor(row_factory=tuple_row) as cursor:
        if limit:
            cursor.execute(_TOLD, (EVENT_NAMES[FiguresStruck], until))
        for position, tenant, data in cursor if limit else ():
            struck = decode(EVENT_NAMES[FiguresStruck], bytes(data))
            assert isinstance(struck, FiguresStruck), "only those were asked for"
            if partition.holds_portfolio(tenant, struck.portfolio):
                inputs = max(each.position for each in struck.figures)
                found.append(_Told(position, tenant, struck, inputs))
                if len(found) == limit:
                    break
    return iter(sorted(found, key=lambda each: (each.inputs, each.position)))


def _is_same(told: StruckFigure, made: StruckFigure) -> bool:
    if told.value is None or made.value is None:
        return told.value == made.value and told.reason == made.reason
    if told.name == NAV:
        return told.value == made.value
    apart = abs(told.value - made.value)
    return apart <= SMALLEST or float(apart) <= RELATIVE_MAX * abs(float(told.value))


def _shown(figure: StruckFigure) -> str:
    return figure.reason or "nothing" if figure.value is None else format(figure.value, "f")
