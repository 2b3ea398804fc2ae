"""Folding marks: new ones by COPY, and closes corrected where they stand."""

from collections.abc import Sequence
from typing import Any

from domain.instrument import WrittenDown
from domain.market import CloseCorrected, Finding, MarketMarked, SessionClosed
from projections.arrays import array_text
from projections.market.tables import CloseStatus, MarkKind, MarkRow
from projections.rows import Cursor, Tables

_NAMED = "name = %s AND calendar = %s AND session = %s"
_CLOSE = f"SELECT * FROM {{schema}}.marks WHERE {_NAMED} AND at = %s"  # noqa: S608
_FOLLOWING = f"SELECT * FROM {{schema}}.marks WHERE {_NAMED} AND at > %s"  # noqa: S608
_KEY = ("name", "at", "position")


class Marks:
    """The marks of one schema: those not yet written."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._arrived: list[MarkRow] = []

    def add_marks(self, event: MarketMarked, position: int) -> None:
        """Take marks and rates."""
        prices = {mark.instrument: mark.price for mark in event.marks}
        prices |= {f"{rate.base}/{rate.quote}": rate.rate for rate in event.rates}
        at, source = event.at, event.source
        self._arrived += [
            MarkRow(
                name=name, at=at, position=position, price=price, kind=MarkKind.MARK, source=source
            )
            for name, price in prices.items()
        ]

    def add_write_down(self, event: WrittenDown, position: int) -> None:
        """Take a write-down."""
        self._arrived.append(
            MarkRow(
                name=event.instrument,
                at=event.at,
                position=position,
                price=event.price,
                kind=MarkKind.WRITE_DOWN,
                reason=event.reason,
            )
        )

    def add_closes(self, event: SessionClosed, position: int) -> None:
        """Take a session's closes."""
        self._arrived += [
            MarkRow(
                name=close.instrument,
                at=event.ends_at,
                position=position,
                price=close.price,
                kind=MarkKind.CLOSE,
                calendar=event.calendar,
                session=event.session,
                status=CloseStatus.SUSPECT if close.findings else CloseStatus.ACCEPTED,
                findings=_texts(close.findings),
            )
            for close in event.closes
        ]

    def correct(self, cursor: Cursor, event: CloseCorrected, position: int) -> None:
        """Replace, cancel or add a close, and judge the one behind it anew."""
        self.write(cursor)
        place = (event.instrument, event.calendar, event.session, event.ends_at)
        found = self._tables.select(cursor, _CLOSE, place)
        self._tables.delete(cursor, "marks", [values[:3] for values in found], key=_KEY)
        self._arrived.append(
            MarkRow(
                name=event.instrument,
                at=event.ends_at,
                position=position,
                price=event.price,
                kind=MarkKind.CLOSE,
                calendar=event.calendar,
                session=event.session,
                status=_corrected_status(event),
                findings=_texts(event.findings),
                replaces=event.replaces,
                reason=event.reason,
                corrected_position=position,
            )
        )
        if event.following is not None:
            after = event.following
            place = (event.instrument, event.calendar, after.session, event.ends_at)
            for values in self._tables.select(cursor, _FOLLOWING, place):
                self._judge_anew(cursor, values, after.findings)

    def write(self, cursor: Cursor) -> None:
        """Write what came since the last time."""
        self._tables.insert(cursor, "marks", self._arrived)
        self._arrived = []

    def _judge_anew(
        self, cursor: Cursor, values: tuple[Any, ...], findings: tuple[Finding, ...]
    ) -> None:
        """Give a close other findings; what was cancelled stays so."""
        known: dict[str, Any] = dict(zip(MarkRow.__struct_fields__, values, strict=True))
        status = CloseStatus.ACCEPTED
        if known["price"] is None:
            status = CloseStatus.CANCELLED
        elif findings:
            status = CloseStatus.SUSPECT
        elif known["corrected_position"] is not None:
            status = CloseStatus.CORRECTED
        row = MarkRow(**known | {"status": status, "findings": _texts(findings)})
        self._tables.upsert(cursor, "marks", [row], key=_KEY)


def _corrected_status(event: CloseCorrected) -> CloseStatus:
    if event.price is None:
        return CloseStatus.CANCELLED
    return CloseStatus.SUSPECT if event.findings else CloseStatus.CORRECTED


def _texts(findings: Sequence[Finding]) -> str:
    return array_text([finding.value for finding in findings])
