"""The wall clock, handed to whoever needs it; nobody else reads it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Say what time it is, in UTC."""
    return datetime.now(UTC)
