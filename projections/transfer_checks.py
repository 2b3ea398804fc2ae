"""Checks of transfers: what leaves one portfolio comes into the other, in the same append."""

from decimal import Decimal

from domain.lots import Lot
from domain.money import ZERO
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from projections.findings import Check
from projections.read_model import Decoded

Half = LotsTransferredOut | LotsTransferredIn
"""One side of a transfer."""


class TransfersPaired:
    """Folds transfers; what left and what came are told in one append, whichever first.

    Sums, not lots one by one: the names of the lots differ, and nothing else may.
    """

    def __init__(self) -> None:
        self.check = Check("what a transfer takes from one portfolio it brings into another")
        self._alone: dict[tuple[str, str, str], tuple[int, Half]] = {}

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        position, tenant, _, event, _ = decoded
        if isinstance(event, LotsTransferredOut) and not event.is_restated:
            self.check.counted += 1
            self._pair(position, tenant, event)
        elif isinstance(event, LotsTransferredIn):
            self._pair(position, tenant, event)

    def _pair(self, position: int, tenant: str, event: Half) -> None:
        key = (tenant, event.transfer.portfolio, event.transfer.transfer)
        other = self._alone.pop(key, None)
        if other is None:
            self._alone[key] = (position, event)
            return
        self.check.must(
            type(other[1]) is not type(event), lambda: f"position {position}: told twice"
        )
        self.check.must(
            _says(other[1]) == _says(event),
            lambda: f"position {position}: what came is not what left",
        )

    def finish(self) -> Check:
        """Give the check, with what stands alone."""
        for position, event in self._alone.values():
            half = "did not come" if isinstance(event, LotsTransferredOut) else "never left"
            self.check.fail(f"position {position}: what was transferred {half}")
        return self.check


def _says(event: Half) -> tuple[object, ...]:
    sign = 1 if isinstance(event, LotsTransferredIn) else -1
    values = (sign * event.flow, sign * event.carried)
    dates = sorted(lot.trade_date for lot in event.lots)
    return event.transfer, event.instrument, event.currency, values, dates, _sums(event.lots)


def _sums(lots: tuple[Lot, ...]) -> tuple[Decimal, Decimal, Decimal]:
    return (
        sum((lot.quantity for lot in lots), ZERO),
        sum((lot.cost for lot in lots), ZERO),
        sum((lot.fee for lot in lots), ZERO),
    )
