"""Deciding the declaration of a corporate action, and its reversal (convention 7).

Declared once, an action is applied to each holder by events of its own; its name, among those of
its instrument, is used up for ever. Who declared it wrongly reverses it and declares another.
"""

from collections.abc import Callable

from domain.corporate_actions import SpinOff, require_sound
from domain.currencies import require_currency
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    Instrument,
    differing_fields,
)
from domain.rejection import Conflict, Rejection

InstrumentOf = Callable[[str], Instrument | None]


def declare(
    instrument: Instrument, wanted: CorporateActionDeclared, *, instrument_of: InstrumentOf
) -> CorporateActionDeclared | None:
    """Decide a declaration; None when the same was declared before.

    Raises:
        Conflict: `action_already_declared` with other content.
        Rejection: `action_not_of_instrument`, `currency_unknown`, what `require_sound` says, and
            for a spin-off `instrument_unknown`, `currency_mismatch` or `spin_off_circular`.
    """
    action = wanted.terms.action
    if action.instrument != wanted.instrument:
        raise Rejection("action_not_of_instrument", f"It is an action of {action.instrument}.")
    known = instrument.actions.get(action.action)
    if known is not None:
        if known == action:
            return None
        alike = type(known) is type(action)
        fields = differing_fields(known, action) if alike else ("kind",)
        message = (
            f"{action.instrument} has an action {action.action} with other {', '.join(fields)}: "
            "reverse it, and declare this one under another name."
        )
        raise Conflict("action_already_declared", message, fields=fields)
    require_sound(action)
    if wanted.terms.cash_dividend is not None:
        require_currency(wanted.terms.cash_dividend.currency)
    if isinstance(action, SpinOff):
        _require_child(instrument, action, instrument_of)
    return wanted


def reverse(
    instrument: Instrument, wanted: CorporateActionReversed
) -> CorporateActionReversed | None:
    """Decide a reversal; None when it was reversed for that reason before.

    Raises:
        Conflict: `action_already_reversed` for another reason.
        Rejection: `action_unknown`.
    """
    if wanted.action not in instrument.actions:
        message = f"{wanted.instrument} has no action {wanted.action}."
        raise Rejection("action_unknown", message)
    reason = instrument.reversed_actions.get(wanted.action)
    if reason is None:
        return wanted
    if reason == wanted.reason:
        return None
    message = f"{wanted.action} was reversed before: {reason}."
    raise Conflict("action_already_reversed", message, fields=("reason",))


def _require_child(instrument: Instrument, action: SpinOff, instrument_of: InstrumentOf) -> None:
    child = instrument_of(action.child)
    if child is None:
        message = f"The child {action.child} is not registered; register it first."
        raise Rejection("instrument_unknown", message)
    if child.currency != instrument.currency:
        message = (
            f"{action.child} trades in {child.currency}: cost in {instrument.currency} cannot be "
            "divided between the two."
        )
        raise Rejection("currency_mismatch", message)
    if action.instrument in _descendants(action.child, instrument_of):
        message = f"{action.instrument} came of {action.child} itself by a spin-off."
        raise Rejection("spin_off_circular", message)


def _descendants(name: str, instrument_of: InstrumentOf) -> set[str]:
    """Give what ever came of an instrument by spin-offs, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        instrument = instrument_of(current)
        actions = () if instrument is None else instrument.actions.values()
        waiting += [each.child for each in actions if isinstance(each, SpinOff)]
    return found
