"""A story told in commands: events as the domain would decide them, appended to a real log.

Each method is one command. Lots are decided by `domain.lots`, so folds meet consistent events; page
sizes are small, so that paged events are met often.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain import identity
from domain.event import Event
from domain.instrument import AssetClass, InstrumentChange, InstrumentRegistered
from domain.lots import CostBasis, Fill, Side
from domain.market import Close, CloseCorrected, Mark, MarketMarked, SessionClosed
from domain.money import Money
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    Reason,
    book_of,
)
from domain.rejection import Breach
from domain.trade import (
    Capture,
    Intent,
    TradeAmended,
    TradeBusted,
    TradeCaptured,
    TradeParked,
    TradeRefused,
    TradeReleased,
)
from eventstore.envelope import NewEvent, RecordedEvent
from eventstore.log import Log
from schemas.codec import encode, event_name
from tests.projections.account import Account, amended, fill_of

MARKET = identity.MARKET_TENANT
ACME, GLOBEX = "acme", "globex"
DAY_ONE = date(2024, 3, 4)
NEW_YORK = "XNYS"


def opening(day: date) -> datetime:
    """The start of a session, 14:30 UTC."""
    return datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)


def closing(day: date) -> datetime:
    """The end of a session, 21:00 UTC."""
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


class Story:
    """Tells events command by command; `append_to` puts what is new into a log."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, str], Account] = {}
        self.parked: dict[str, list[tuple[Account, Capture, Fill]]] = defaultdict(list)
        self.booked: dict[UUID, tuple[Account, Capture, Fill]] = {}
        self.registered: set[str] = set()
        self._revisions: dict[UUID, int] = defaultdict(int)
        self._versions: dict[UUID, int] = defaultdict(int)
        self._commands: list[list[NewEvent]] = []
        self._told = 0
        self._external = 0
        self._damaged_type: str | None = None
        self._last_refusal: tuple[str, UUID, Event] | None = None

    def tell(self, *events: tuple[str, UUID, Event]) -> None:
        """Put the events (tenant, stream, event) of one command behind what was told."""
        self._told += 1
        command = identity.command_id(events[0][0], f"command-{self._told}")
        new = [self._new(command, *event) for event in events]
        if self._damaged_type is not None:
            damage = {"event_type": self._damaged_type, "data": b'{"portfolio": 7}'}
            new = [msgspec.structs.replace(event, **damage) for event in new]
            self._damaged_type = None
        self._commands.append(new)

    def damage_next(self, event_type: str) -> None:
        """Let the next command's events have this type, and bytes that nobody can read."""
        self._damaged_type = event_type

    def _new(self, command: UUID, tenant: str, stream: UUID, event: Event) -> NewEvent:
        self._versions[stream] += 1
        return NewEvent(
            stream_id=stream,
            stream_version=self._versions[stream],
            event_type=event_name(event),
            data=encode(event),
            key=book_of(event),
            tenant=tenant,
            actor="storyteller",
            command_id=command,
            correlation_id=command,
            causation_id=None,
            trace_context=None,
        )

    def recorded(self) -> list[RecordedEvent]:
        """Give what was not yet appended as a log would hold it, from position 1 on."""
        new = [event for command in self._commands for event in command]
        return [
            RecordedEvent(
                position=position,
                recorded_at=closing(DAY_ONE),
                build="test",
                **msgspec.structs.asdict(event),
            )
            for position, event in enumerate(new, start=1)
        ]

    def take_commands(self) -> list[list[NewEvent]]:
        """Give the events of what was not yet appended, command by command."""
        taken, self._commands = self._commands, []
        return taken

    def append_to(self, log: Log, *, together: int = 500) -> int:
        """Append what was not yet appended, so many commands at a time; give the head."""
        while self._commands:
            now, self._commands = self._commands[:together], self._commands[together:]
            with log.writing() as transaction:
                transaction.append([event for command in now for event in command], [])
        return log.head().position

    def register(self, *instruments: str, calendar: str = NEW_YORK) -> None:
        """Register instruments in USD; parked trades are released."""
        for instrument in instruments:
            event = InstrumentRegistered(
                instrument=instrument,
                symbol=instrument,
                currency="USD",
                asset_class=AssetClass.EQUITY,
                calendar=calendar,
                sector="Technology",
            )
            self.registered.add(instrument)
            self.tell((MARKET, identity.instrument_stream(instrument), event))
            for account, capture, fill in self.parked.pop(instrument, []):
                released = TradeReleased(
                    trade_id=fill.trade_id,
                    portfolio=account.name,
                    instrument=instrument,
                    market_position=0,
                )
                self._tell_booking(account, capture, fill, released)

    def change(self, *changes: InstrumentChange) -> None:
        """Tell what changes in the life of registered instruments."""
        for event in changes:
            self.tell((MARKET, identity.instrument_stream(event.instrument), event))

    def open(
        self, portfolio: str, *, tenant: str = ACME, basis: CostBasis = CostBasis.FIFO
    ) -> None:
        """Open a portfolio in USD."""
        self.accounts[tenant, portfolio] = Account(tenant, portfolio, basis)
        event = PortfolioOpened(
            portfolio=portfolio,
            base_currency="USD",
            cost_basis=basis,
            calendar=NEW_YORK,
            allows_leverage=True,
            allows_short=True,
        )
        self.tell((tenant, identity.portfolio_stream(tenant, portfolio), event))

    def deposit(
        self, portfolio: str, amount: str, *, tenant: str = ACME, currency: str = "USD"
    ) -> None:
        """Pay cash in."""
        self._move(CashDeposited, tenant, portfolio, Decimal(amount), currency)

    def withdraw(
        self, portfolio: str, amount: str, *, tenant: str = ACME, currency: str = "USD"
    ) -> None:
        """Pay cash out."""
        self._move(CashWithdrawn, tenant, portfolio, Decimal(amount), currency)

    def _move(
        self,
        kind: type[CashDeposited | CashWithdrawn],
        tenant: str,
        portfolio: str,
        amount: Decimal,
        currency: str,
    ) -> None:
        account = self.accounts[tenant, portfolio]
        account.cash[currency] += amount if kind is CashDeposited else -amount
        event = kind(
            portfolio=portfolio,
            amount=Money(amount, currency),
            balance=account.cash[currency],
            value_date=DAY_ONE,
        )
        self.tell((tenant, identity.portfolio_stream(tenant, portfolio), event))

    def trade(
        self,
        portfolio: str,
        instrument: str,
        quantity: str,
        price: str,
        *,
        tenant: str = ACME,
        fee: str = "0",
        day: date = DAY_ONE,
        executed_at: datetime | None = None,
    ) -> UUID:
        """Capture an executed trade, a sale if the quantity is negative; parked if unknown."""
        account = self.accounts[tenant, portfolio]
        capture = self._capture(portfolio, instrument, quantity, price, fee, day, executed_at)
        trade_id = identity.trade_id(tenant, capture.source, capture.external_id, None)
        fill = fill_of(capture, trade_id)
        if instrument in self.registered:
            captured = TradeCaptured(trade_id=trade_id, capture=capture, market_position=0)
            self._tell_booking(account, capture, fill, captured)
        else:
            parked = TradeParked(trade_id=trade_id, capture=capture, market_position=0)
            self.tell((tenant, trade_id, parked))
            self.parked[instrument].append((account, capture, fill))
        return trade_id

    def bust(self, trade_id: UUID) -> None:
        """Take a booked trade out again; one that is parked or was busted before is left alone."""
        booked = self.booked.pop(trade_id, None)
        if booked is not None:
            account, capture, _ = booked
            busted = TradeBusted(
                trade_id=trade_id,
                portfolio=account.name,
                source=capture.source,
                external_id=capture.external_id,
                reason="cancelled",
            )
            unbooking = self._unbook(*booked, Reason.BUSTED)
            self._tell_bookings(account, unbooking, (account.tenant, trade_id, busted))

    def amend(
        self, trade_id: UUID, quantity: str, price: str, *, fee: str = "0", day: date = DAY_ONE
    ) -> None:
        """Give a booked trade other content; one that is parked or busted is left alone."""
        if trade_id not in self.booked:
            return
        account, known, fill = self.booked[trade_id]
        capture = amended(known, quantity, price, fee, day)
        unbooking = self._unbook(account, known, fill, Reason.AMENDED)
        booking = self._book(account, capture, fill_of(capture, trade_id))
        self._revisions[trade_id] += 1
        event = TradeAmended(
            trade_id=trade_id,
            revision=self._revisions[trade_id],
            capture=capture,
            market_position=0,
        )
        first = (account.tenant, trade_id, event)
        self._tell_bookings(account, [*unbooking, *booking], first)

    def refuse(self, portfolio: str, instrument: str, *, tenant: str = ACME) -> UUID:
        """Capture a proposed trade that is refused for two reasons."""
        capture = self._capture(portfolio, instrument, "1", "1", "0", DAY_ONE, None)
        capture = msgspec.structs.replace(capture, intent=Intent.PROPOSED)
        trade_id = identity.trade_id(tenant, capture.source, capture.external_id, None)
        refused = TradeRefused(
            trade_id=trade_id,
            capture=capture,
            market_position=0,
            breaches=(
                Breach("insufficient_cash", "Cash is short.", "10", "11"),
                Breach("short_sale", 'Quotes " and \\ survive.'),
            ),
        )
        self.tell((tenant, identity.refusals_stream(tenant, capture.source), refused))
        self._last_refusal = (tenant, identity.refusals_stream(tenant, capture.source), refused)
        return trade_id

    def refuse_again(self) -> None:
        """Refuse the last refused trade once more, under the same name."""
        assert self._last_refusal is not None, "something was refused before"
        self.tell(self._last_refusal)

    def name_again(self) -> None:
        """Let the next capture have the name of the last."""
        self._external -= 1

    def skip_name(self) -> None:
        """Leave the next capture's name out, as if a trade had it."""
        self._external += 1

    def _capture(
        self,
        portfolio: str,
        instrument: str,
        quantity: str,
        price: str,
        fee: str,
        day: date,
        executed_at: datetime | None,
    ) -> Capture:
        self._external += 1
        signed = Decimal(quantity)
        return Capture(
            portfolio=portfolio,
            source="desk-1",
            external_id=f"e\\{self._external}",
            intent=Intent.EXECUTED,
            instrument=instrument,
            side=Side.SELL if signed < 0 else Side.BUY,
            quantity=abs(signed),
            price=Decimal(price),
            currency="USD",
            fee=Decimal(fee),
            trade_date=day,
            executed_at=executed_at,
        )

    def _tell_booking(
        self,
        account: Account,
        capture: Capture,
        fill: Fill,
        first: TradeCaptured | TradeReleased,
    ) -> None:
        booking = self._book(account, capture, fill)
        self._tell_bookings(account, booking, (account.tenant, fill.trade_id, first))

    def _tell_bookings(
        self, account: Account, bookings: Iterable[Event], *before: tuple[str, UUID, Event]
    ) -> None:
        stream = identity.portfolio_stream(account.tenant, account.name)
        self.tell(*before, *((account.tenant, stream, event) for event in bookings))

    def _book(self, account: Account, capture: Capture, fill: Fill) -> list[Event]:
        self.booked[fill.trade_id] = (account, capture, fill)
        return account.book(capture.instrument, fill, capture.currency)

    def _unbook(
        self, account: Account, capture: Capture, fill: Fill, reason: Reason
    ) -> list[Event]:
        return account.unbook(capture.instrument, fill, capture.currency, reason)

    def settle(self, portfolio: str, until: date, *, tenant: str = ACME) -> None:
        """Settle what is due, if anything is."""
        account = self.accounts[tenant, portfolio]
        events = account.settle(until)
        if events:
            self._tell_bookings(account, events)

    def mark(self, at: datetime, **prices: str) -> None:
        """Mark instruments."""
        marks = tuple(Mark(name, Decimal(price)) for name, price in prices.items())
        event = MarketMarked(source="feed", at=at, marks=marks)
        self.tell((MARKET, identity.marks_stream("feed"), event))

    def close(self, day: date, *, calendar: str = NEW_YORK, **prices: str) -> None:
        """Close a session."""
        event = SessionClosed(
            calendar=calendar,
            session=day,
            starts_at=opening(day),
            ends_at=closing(day),
            closes=tuple(Close(instrument=n, price=Decimal(p)) for n, p in prices.items()),
        )
        self.tell((MARKET, identity.sessions_stream(calendar), event))

    def correct(self, day: date, instrument: str, price: str | None) -> None:
        """Correct a close, or cancel it."""
        event = CloseCorrected(
            calendar=NEW_YORK,
            session=day,
            ends_at=closing(day),
            instrument=instrument,
            price=None if price is None else Decimal(price),
            replaces=Decimal(1),
            reason="wrong print",
        )
        self.tell((MARKET, identity.sessions_stream(NEW_YORK), event))
