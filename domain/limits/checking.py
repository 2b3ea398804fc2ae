"""What the terms of a limit must say, rule by rule, before anybody is asked to approve them."""

from collections.abc import Collection
from decimal import Decimal

from domain.currencies import require_currency
from domain.limits.scope import UNCLASSIFIED, Scope
from domain.limits.terms import CURRENCIES_MAX, Binding, LimitRule, LimitTerms
from domain.rejection import Level, Rejection

USAGE_AGE_MS_MAX = 60_000
"""Oldest usage, in milliseconds, that a soft limit may be judged by."""

FRACTIONS = frozenset({
    LimitRule.PRICE_FAR_FROM_MARK,
    LimitRule.POSITION_CONCENTRATION,
    LimitRule.SECTOR_CONCENTRATION,
})  # fmt: skip
"""Rules whose maximum is a fraction, at most 1: whoever writes 5 means 5 %."""
COUNTED = frozenset({LimitRule.DAY_QUANTITY, LimitRule.DAY_NOTIONAL})
"""Rules that add up the trades of a date."""
NOTIONALS = frozenset({LimitRule.TRADE_NOTIONAL, LimitRule.DAY_NOTIONAL})
_WITHOUT_MAXIMUM = frozenset({
    LimitRule.INSTRUMENT_RESTRICTED,
    LimitRule.CURRENCY_NOT_ALLOWED,
    LimitRule.OUTSIDE_SESSION,
})  # fmt: skip


def check_terms(terms: LimitTerms) -> None:
    """Let pass terms that say all their rule needs, and nothing it does not know.

    Raises:
        Rejection: `terms_invalid`, or `currency_unknown`.
    """
    _check_maximum(terms)
    _check_currencies(terms)
    _check_binding(terms)
    _check_scope(terms)


def is_shared_counter(terms: LimitTerms) -> bool:
    """Say whether the use of a limit is counted for several portfolios together."""
    return terms.rule in COUNTED and terms.scope.is_wider_than_a_portfolio


def require_known(
    scope: Scope, *, is_portfolio_open: bool, is_registered: bool, sectors: Collection[str]
) -> None:
    """Let pass a scope that names only what is there: a slip of the pen would protect nothing.

    `is_portfolio_open` and `is_registered` tell of its portfolio and its instrument, where it names
    them; `sectors` are those that any instrument ever had.

    Raises:
        Rejection: `portfolio_unknown`, `instrument_unknown` or `sector_unknown`.
    """
    if scope.portfolio is not None and not is_portfolio_open:
        raise Rejection("portfolio_unknown", f"Portfolio {scope.portfolio} is not open.")
    if scope.instrument is not None and not is_registered:
        message = f"Instrument {scope.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    if scope.sector is not None and scope.sector not in {UNCLASSIFIED, *sectors}:
        message = f"No instrument was ever of the sector {scope.sector!r}."
        raise Rejection("sector_unknown", message)


def _check_maximum(terms: LimitTerms) -> None:
    rule, maximum = terms.rule, terms.maximum
    if rule in _WITHOUT_MAXIMUM:
        if maximum is not None:
            raise _invalid(f"{rule} has no maximum; leave it out.")
        return
    if maximum is None or maximum <= 0:
        raise _invalid(f"{rule} needs a maximum above zero.")
    if rule in FRACTIONS and maximum > Decimal(1):
        raise _invalid(f"The maximum of {rule} is a fraction, at most 1: 0.05 is five per cent.")


def _check_currencies(terms: LimitTerms) -> None:
    rule = terms.rule
    if rule in NOTIONALS:
        if terms.currency is None:
            raise _invalid(f"{rule} needs the currency of its maximum.")
        require_currency(terms.currency)
    elif terms.currency is not None:
        raise _invalid(f"{rule} has no currency; leave it out.")
    if rule is not LimitRule.CURRENCY_NOT_ALLOWED:
        if terms.currencies:
            raise _invalid(f"{rule} lists no currencies; leave them out.")
        return
    if not 1 <= len(set(terms.currencies)) == len(terms.currencies) <= CURRENCIES_MAX:
        raise _invalid(f"{rule} lists the currencies allowed: 1 to {CURRENCIES_MAX}, each once.")
    for currency in terms.currencies:
        require_currency(currency)


def _check_binding(terms: LimitTerms) -> None:
    binding = terms.binding
    if is_shared_counter(terms) != (binding is not None):
        if binding is None:
            raise _invalid(f"{terms.rule} of several portfolios is either hard or soft: say which.")
        raise _invalid("Only counters of a date that several portfolios share are hard or soft.")
    if binding is Binding.HARD and terms.level is not Level.BLOCK:
        raise _invalid("A hard limit is never exceeded: it blocks. To warn, make it soft.")
    age = terms.usage_age_ms_max
    if (binding is Binding.SOFT) != (age is not None):
        raise _invalid("A soft limit, and no other, needs usage_age_ms_max.")
    if age is not None and not 1 <= age <= USAGE_AGE_MS_MAX:
        raise _invalid(f"usage_age_ms_max must lie between 1 and {USAGE_AGE_MS_MAX}.")


def _check_scope(terms: LimitTerms) -> None:
    rule, scope = terms.rule, terms.scope
    if rule is LimitRule.LEVERAGE and (scope.instrument or scope.sector):
        raise _invalid("Leverage is of whole portfolios: name no instrument and no sector.")
    if rule is LimitRule.SECTOR_CONCENTRATION and scope.instrument:
        raise _invalid("Concentration of sectors is of sectors: name no instrument.")
    if rule is LimitRule.INSTRUMENT_RESTRICTED and not (scope.instrument or scope.sector):
        raise _invalid(
            "A restricted or watched scope names an instrument or a sector; "
            "to stop all trades, halt trading."
        )


def _invalid(message: str) -> Rejection:
    return Rejection("terms_invalid", message)
