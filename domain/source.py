"""Sources: how a trading system names its trades (convention 2)."""

from enum import StrEnum

import msgspec

from domain.event import Event
from domain.rejection import Conflict


class NamingScope(StrEnum):
    """How long a source's external id names one trade: for ever, or for its trade date."""

    FOREVER = "forever"
    TRADE_DATE = "trade_date"


class SourceRegistered(Event, frozen=True):
    """A source said how it names its trades. Unregistered sources name them for ever."""

    source: str
    naming_scope: NamingScope


class Source(msgspec.Struct):
    """The state of a source."""

    version: int = 0
    naming_scope: NamingScope | None = None

    def apply(self, event: SourceRegistered) -> None:
        """Fold one event."""
        self.naming_scope = event.naming_scope
        self.version += 1


def register_source(current: Source, *, wanted: SourceRegistered) -> SourceRegistered | None:
    """Decide a registration; None when it is registered so already.

    Raises:
        Conflict: `source_already_registered`, because trades are already named the other way.
    """
    if current.naming_scope is None:
        return wanted
    if current.naming_scope is wanted.naming_scope:
        return None
    message = f"Source {wanted.source} is registered with scope {current.naming_scope.value}."
    raise Conflict("source_already_registered", message, fields=("naming_scope",))
