"""How a rule says that a limit is exceeded, or that it cannot be judged."""

from decimal import Decimal

from domain.limits.controls import Limit
from domain.money import canonical
from domain.rejection import Breach, Level


def exceeded(
    limit: Limit,
    message: str,
    *,
    actual: Decimal | None,
    headroom: Decimal | None,
    mark_position: int | None = None,
    level: Level | None = None,
) -> Breach:
    """Say how far a trade goes beyond a limit's maximum, at the limit's level if not told other."""
    return Breach(
        limit.terms.rule.value,
        message,
        limit=written(limit.terms.maximum),
        actual=written(actual),
        headroom=written(headroom),
        level=limit.terms.level if level is None else level,
        limited_by=limit.name,
        limit_version=limit.version,
        mark_position=mark_position,
    )


def not_evaluable(limit: Limit, message: str) -> Breach:
    """Say that what a limit needs is not known: it then stands as if it were exceeded."""
    return Breach(
        limit.terms.rule.value,
        message,
        limit=written(limit.terms.maximum),
        level=limit.terms.level,
        limited_by=limit.name,
        limit_version=limit.version,
        is_not_evaluable=True,
    )


def maximum_of(limit: Limit) -> Decimal:
    """Give the maximum of a limit whose rule has one."""
    assert limit.terms.maximum is not None, "the rule of this limit has a maximum"
    return limit.terms.maximum


def written(number: Decimal | None) -> str | None:
    """Write a number plainly, without an exponent."""
    return None if number is None else f"{canonical(number):f}"
