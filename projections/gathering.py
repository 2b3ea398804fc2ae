"""A cursor that sends small writes together.

Each statement is a round trip, which costs both sides more than writing a few rows does. So what a
fold writes into different tables waits, and goes as one statement when anything else is asked.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import psycopg

STATEMENTS_MAX = 256


class GatheringCursor(psycopg.Cursor[Any]):
    """Keeps writes until `send`, or until it is used for anything else or left without an error.

    Writes into one table keep their order; those into different ones have none.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._gathered: dict[str, tuple[bytes, str]] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.send()
        super().__exit__(kind, error, trace)

    def gather(self, table: str, statement: bytes, parameter: str) -> None:
        """Keep a statement that writes into a table and has one parameter."""
        if table in self._gathered:
            self.send()
        self._gathered[table] = (statement, parameter)

    def send(self) -> None:
        """Send what was gathered, as one statement."""
        if not self._gathered:
            return
        statements, parameters = zip(*self._gathered.values(), strict=True)
        self._gathered = {}
        super().execute(_together(statements), parameters)

    def execute(self, *arguments: Any, **named: Any) -> Self:
        """Send what was gathered, then execute."""
        self.send()
        return super().execute(*arguments, **named)

    def executemany(self, *arguments: Any, **named: Any) -> None:
        """Send what was gathered, then execute."""
        self.send()
        super().executemany(*arguments, **named)

    def copy(self, *arguments: Any, **named: Any) -> AbstractContextManager[psycopg.Copy]:  # type: ignore[override]
        """Send what was gathered, then copy."""
        self.send()
        return super().copy(*arguments, **named)


def send(cursor: psycopg.Cursor[Any]) -> None:
    """Send what a cursor has gathered, if it is one that gathers."""
    if isinstance(cursor, GatheringCursor):
        cursor.send()


@lru_cache(maxsize=STATEMENTS_MAX)
def _together(statements: Sequence[bytes]) -> bytes:
    """Make one statement of several that change different tables: each sees what was before."""
    *others, last = statements
    named = [b"written_%d AS (%s)" % (index, each) for index, each in enumerate(others)]
    return b"WITH %s %s" % (b", ".join(named), last) if named else last
