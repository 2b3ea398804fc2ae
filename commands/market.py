"""Handlers of instruments and the market: register, change, mark, close a session, correct it."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from commands.command import (
    ChangeInstrument,
    CloseSession,
    CorrectClose,
    Issued,
    MarkMarket,
    ReachTime,
    RegisterInstrument,
)
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain import instrument as instruments
from domain import instrument_changes, marking
from domain.event import Event
from domain.identity import (
    MARKET_TENANT,
    instrument_stream,
    marks_stream,
    sessions_stream,
    time_stream,
)
from domain.instrument import InstrumentRegistered
from domain.market import Close, CloseCorrected, SessionClosed
from domain.rejection import Rejection

NEIGHBOURS_SEARCHED = 10


def register_instrument(
    issued: Issued, command: RegisterInstrument, view: View
) -> Decision | AlreadyDecided:
    """Register an instrument."""
    _require_market_tenant(issued)
    wanted = InstrumentRegistered(
        instrument=command.instrument,
        symbol=command.symbol,
        currency=command.currency,
        asset_class=command.asset_class,
        calendar=command.calendar,
        sector=command.sector,
    )
    stream = instrument_stream(command.instrument)
    registered = instruments.register_instrument(view.instrument(command.instrument), wanted=wanted)
    return AlreadyDecided(stream) if registered is None else _on_market(stream, registered)


def change_instrument(
    issued: Issued, command: ChangeInstrument, view: View
) -> Decision | AlreadyDecided:
    """Change terms, suspend, resume, delist, write down, or declare and reverse an action."""
    _require_market_tenant(issued)
    wanted = command.change
    instrument = view.instrument(wanted.instrument)
    if instrument is None:
        message = f"Instrument {wanted.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    stream = instrument_stream(wanted.instrument)
    change = instrument_changes.change_instrument(
        instrument, wanted, now=issued.received_at, instrument_of=view.instrument
    )
    if change is None:
        return AlreadyDecided(stream, instrument.told[wanted])
    return _on_market(stream, change)


def reach_time(issued: Issued, command: ReachTime, view: View) -> Decision:
    """Let business time go on; where it is there already, nothing is written."""
    _require_market_tenant(issued)
    reached = marking.reach_time(view.market, at=command.at, now=issued.received_at)
    stream = time_stream()
    return Decision(events=(), of_stream=stream) if reached is None else _on_market(stream, reached)


def mark_market(issued: Issued, command: MarkMarket, view: View) -> Decision:
    """Put marks and rates in force."""
    _require_market_tenant(issued)
    marked = marking.mark_market(
        source=command.source,
        at=command.at,
        marks=command.marks,
        rates=command.rates,
        known=view.instruments,
        now=issued.received_at,
    )
    return _on_market(marks_stream(command.source), marked)


def close_session(issued: Issued, command: CloseSession, view: View) -> Decision | AlreadyDecided:
    """End a session with its closes."""
    _require_market_tenant(issued)
    stream = sessions_stream(command.calendar)
    earlier = session_closed(view, command.calendar, command.session)
    if earlier is not None:
        marking.require_same_content(earlier, command.starts_at, command.ends_at, command.closes)
        version = view.market.calendar(command.calendar).versions[command.session]
        return AlreadyDecided(stream, version)
    closed = marking.close_session(
        view.market,
        calendar=command.calendar,
        session=command.session,
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        closes=command.closes,
        known=view.instruments,
        now=issued.received_at,
    )
    assert closed is not None, "a session closed before was told above"
    return _on_market(stream, closed)


def correct_close(issued: Issued, command: CorrectClose, view: View) -> Decision:
    """Correct or cancel a close of a closed session."""
    _require_market_tenant(issued)
    stream = sessions_stream(command.calendar)
    closed = session_closed(view, command.calendar, command.session)
    if closed is None:
        message = f"Session {command.session} of {command.calendar} is not closed."
        raise Rejection("session_not_closed", message)
    if command.instrument not in view.instruments:
        message = f"Instrument {command.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    now = close_now(view, closed, command.instrument)
    before = _neighbour(view, command, step=-1)
    corrected = marking.correct_close(
        closed=closed,
        instrument=command.instrument,
        price=command.price,
        replaces=None if now is None else now.price,
        reason=command.reason,
        previous=None if before is None else before[1].price,
        following=_neighbour(view, command, step=1),
    )
    key = correction_key(command.session, command.instrument)
    return Decision(events=(Addressed(stream, MARKET_TENANT, corrected, key),), of_stream=stream)


def correction_key(session: date, instrument: str) -> str:
    """Name the chain of corrections of one close in its calendar's stream."""
    return f"{session.isoformat()}/{instrument}"


def session_closed(view: View, calendar: str, session: date) -> SessionClosed | None:
    """Give the end of a session, None while it is not closed."""
    version = view.market.calendar(calendar).versions.get(session)
    if version is None:
        return None
    stream = sessions_stream(calendar)
    event = next(view.events(stream, after_version=version - 1, limit=1))
    assert isinstance(event, SessionClosed), "a session's version holds its end"
    return event


def close_now(view: View, closed: SessionClosed, instrument: str) -> Close | None:
    """Give a close as it stands, corrections included; None when there is none."""
    found = next((each for each in closed.closes if each.instrument == instrument), None)
    stream = sessions_stream(closed.calendar)
    price: Decimal | None = None if found is None else found.price
    corrections = view.events(stream, key=correction_key(closed.session, instrument))
    for correction in corrections:
        assert isinstance(correction, CloseCorrected), "the chain holds corrections only"
        price = correction.price
        if price is not None:
            found = Close(instrument=instrument, price=price, findings=correction.findings)
    return None if price is None or found is None else msgspec.structs.replace(found, price=price)


def _neighbour(view: View, command: CorrectClose, *, step: int) -> tuple[date, Close] | None:
    """Give the instrument's nearest close before (step -1) or after (step 1) the session."""
    sessions = sorted(view.market.calendar(command.calendar).versions)
    index = sessions.index(command.session) + step
    for _ in range(NEIGHBOURS_SEARCHED):
        if not 0 <= index < len(sessions):
            return None
        closed = session_closed(view, command.calendar, sessions[index])
        close = None if closed is None else close_now(view, closed, command.instrument)
        if close is not None:
            return sessions[index], close
        index += step
    return None


def _require_market_tenant(issued: Issued) -> None:
    assert issued.tenant == MARKET_TENANT, "only the tenant `market` owns instruments and marks"


def _on_market(stream: UUID, event: Event) -> Decision:
    return Decision(events=(Addressed(stream, MARKET_TENANT, event),), of_stream=stream)
