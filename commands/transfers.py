"""Handler of transfers of lots between two portfolios of a tenant: one append, all or none."""

from bisect import bisect_right

from commands.command import Issued
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.market import NEIGHBOURS_SEARCHED, close_now, session_closed
from commands.portfolio_commands import TransferLots
from commands.portfolios import working_on
from commands.view import View
from domain.calendars import local_date
from domain.identity import portfolio_stream
from domain.instrument import Instrument, differing_fields
from domain.money import ZERO
from domain.portfolio import transferring
from domain.portfolio.events import book_of
from domain.portfolio.state import Portfolio
from domain.portfolio.transfer_events import ValuedAt
from domain.portfolio.transferring import Priced
from domain.rejection import Conflict, Rejection
from domain.transfers import Given, Transfer


def transfer_lots(issued: Issued, command: TransferLots, view: View) -> Decision | AlreadyDecided:
    """Transfer lots; under a name that was used, the same transfer as before."""
    if command.portfolio == command.to_portfolio:
        raise Rejection("transfer_to_itself", "The lots are in that portfolio already.")
    sender = working_on(issued, command.portfolio, view)
    receiver = working_on(issued, command.to_portfolio, view)
    instrument = view.instrument(command.instrument)
    if instrument is None:
        message = f"Instrument {command.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    transfer = _transfer(command, instrument)
    stream = portfolio_stream(issued.tenant, command.portfolio)
    told = _told_before(transfer, sender.portfolio, view, issued.tenant)
    if told is not None:
        return AlreadyDecided(stream, told)
    transferring.transfer_lots(
        transfer,
        sender=sender,
        receiver=receiver,
        acting=view.acting,
        close=_close_before(transfer, instrument, view),
        now=issued.received_at,
    )
    events = tuple(
        Addressed(portfolio_stream(issued.tenant, name), issued.tenant, event, book_of(event))
        for name, working in ((command.portfolio, sender), (command.to_portfolio, receiver))
        for event in working.events
    )
    return Decision(events=events, of_stream=stream, market_position=view.market.position)


def _transfer(command: TransferLots, instrument: Instrument) -> Transfer:
    trade_date = command.trade_date
    if trade_date is None:
        assert command.at is not None, "a transfer has a date or an instant"
        trade_date = local_date(instrument.calendar, command.at)
    quantity = command.quantity
    if quantity is None:
        quantity = sum((lot.quantity for lot in command.lots), ZERO)
    return Transfer(
        transfer=command.transfer,
        portfolio=command.portfolio,
        to_portfolio=command.to_portfolio,
        instrument=command.instrument,
        trade_date=trade_date,
        quantity=quantity,
        at=command.at,
        named=command.lots,
    )


def _told_before(transfer: Transfer, sender: Portfolio, view: View, tenant: str) -> int | None:
    """Give the version at which the same transfer was told; None when its name is free.

    Raises:
        Conflict: `transfer_conflict`, naming the fields in which its content differs.
    """
    entry_id = transfer.entry_id
    name = next((name for name, book in sender.books.items() if entry_id in book.entries), None)
    if name is None:
        return None
    stream = portfolio_stream(tenant, transfer.portfolio)
    version, entry = next(
        each for each in view.entries(stream, name, 1) if each[1].entry_id == entry_id
    )
    assert isinstance(entry, Given), "only the sender's book has its name"
    fields = differing_fields(entry.transfer, transfer)
    if fields:
        message = f"A transfer {transfer.transfer} was told with other {', '.join(fields)}."
        raise Conflict("transfer_conflict", message, fields=fields)
    return version


def _close_before(transfer: Transfer, instrument: Instrument, view: View) -> Priced | None:
    """Find the last close of the instrument up to the transfer, among the last sessions."""
    last = view.market.calendar(instrument.calendar)
    sessions = sorted(last.versions)
    index = bisect_right(sessions, transfer.trade_date)
    for session in reversed(sessions[max(index - NEIGHBOURS_SEARCHED, 0) : index]):
        closed = session_closed(view, instrument.calendar, session)
        if closed is None or (transfer.at is not None and closed.ends_at > transfer.at):
            continue
        close = close_now(view, closed, transfer.instrument)
        if close is not None:
            return Priced(close.price, session, ValuedAt.CLOSE)
    return None
