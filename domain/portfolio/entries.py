"""Which entries stand in the book of an instrument: folded from the events that told them."""

from uuid import UUID

from msgspec.structs import replace

from domain.basis_change import BasisChange
from domain.book import Entry
from domain.event import Event
from domain.held import Received
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut

Entries = dict[UUID, tuple[int, Entry]]
"""Entries by name, each with the version at which it was told; the first page of several."""

EntryTold = (
    TradeBooked
    | TradeUnbooked
    | CorporateActionApplied
    | CorporateActionUnapplied
    | LotsSpunOff
    | CostBasisApplied
    | LotsTransferredOut
    | LotsTransferredIn
)
"""What tells which entries stand in a book."""


def follow_entries(entries: Entries, version: int, event: Event) -> None:
    """Fold one event of a portfolio, in the book of whose instrument the entries stand."""
    match event:
        case TradeBooked():
            entries[event.fill.trade_id] = (version, event.fill)
        case TradeUnbooked():
            entries.pop(event.fill.trade_id, None)
        case CorporateActionApplied():
            action = event.terms.action
            entries[action.entry_id] = (version, action)
        case CorporateActionUnapplied():
            entries.pop(event.terms.action.entry_id, None)
        case CostBasisApplied():
            change = change_of(event)
            entries[change.entry_id] = (version, change)
        case LotsTransferredOut(is_restated=True):
            pass  # It stands where it was told.
        case LotsTransferredOut() | LotsTransferredIn():
            entries[event.transfer.entry_id] = (version, event.entry)
        case LotsSpunOff():
            _take_page(entries, version, event)
        case _:
            pass  # Results of what the others tell, and what concerns no book.


def change_of(event: CostBasisApplied) -> BasisChange:
    """Give the entry that a change of basis is in a book."""
    return BasisChange(event.from_date, event.cost_basis)


def received_of(event: LotsSpunOff) -> Received:
    """Give the entry that one page tells."""
    return Received(
        entry_id=event.entry_id,
        key=event.key,
        lots=event.lots,
        realised_gross=event.paid_gross,
        realised_net=event.paid_net,
    )


def _take_page(entries: Entries, version: int, event: LotsSpunOff) -> None:
    page = received_of(event)
    if event.page > 1:
        found = entries.get(event.entry_id)
        if found is None:  # Its first page stands before what was asked for: it is told again.
            return
        version, first = found
        assert isinstance(first, Received), "a name means one kind of entry"
        page = replace(first, lots=(*first.lots, *event.lots))
    entries[event.entry_id] = (version, page)
