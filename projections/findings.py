"""What a verification found: named checks, each with what it counted and its first difference."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

Watch: TypeAlias = Callable[[str, int, int], None]
"""Told the name of the running check, how far it is and how far it goes."""


class Check(msgspec.Struct):
    """One thing that must hold; `difference` is the first place where it does not.

    `note` tells what could not be judged, which is no fault.
    """

    name: str
    counted: int = 0
    difference: str | None = None
    note: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it held everywhere."""
        return self.difference is None

    def must(self, holds: object, difference: Callable[[], str]) -> None:
        """Demand that something holds; the text is made only where it does not."""
        if not holds and self.difference is None:
            self.difference = difference()

    def fail(self, difference: str) -> None:
        """Tell of a difference; only the first is kept."""
        self.difference = self.difference or difference


class Report(msgspec.Struct):
    """All checks of a verification, in the order in which they were made."""

    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(check.ok for check in self.checks)

    @property
    def difference(self) -> str | None:
        """The first difference of all, with the check that found it."""
        return next(
            (f"{each.name}: {each.difference}" for each in self.checks if not each.ok), None
        )
