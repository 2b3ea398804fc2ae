"""In which units a position and its price are told: splits between the two (convention 7).

A position is in the units of the splits that stand in its book, and of those before anything ever
came into it. A price is in those of the splits up to its date; a mark of a source that adjusts its
own past is in those of all. Of a split that is reversed no price knows.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from domain.corporate_actions import Scale
from projections.positions.tables import ActionKind

UNSCALED = Scale()

SPLITS = f"""(
    SELECT json_agg(json_build_array(
        actions.ex_date, actions.new + CASE kind WHEN '{ActionKind.STOCK_DIVIDEND}' THEN actions.old
            ELSE 0 END, actions.old, actions.prices_adjusted,
        actions.reversed_position IS NOT NULL, EXISTS (
            SELECT FROM {{schema}}.applied
            WHERE applied.tenant = positions.tenant AND applied.portfolio = positions.portfolio
                AND applied.instrument = positions.instrument
                AND applied.declared_on = actions.instrument
                AND applied.action = actions.action AND NOT applied.is_reversed)))
    FROM {{schema}}.actions
    WHERE actions.instrument = positions.instrument
        AND kind IN ('{ActionKind.SPLIT}', '{ActionKind.STOCK_DIVIDEND}'))"""  # noqa: S608 - constants
"""The SQL of the splits of an instrument, beside `positions`; null where there are none."""


class Divided(NamedTuple):
    """A split, or a stock dividend: `new` units for every `old`, and where a position stands."""

    ex_date: date
    new: int
    old: int
    prices_adjusted: bool
    is_reversed: bool
    stands: bool


def splits_read(found: Sequence[Sequence[Any]] | None) -> list[Divided]:
    """Read what `SPLITS` gives."""
    return [Divided(date.fromisoformat(each[0]), *each[1:]) for each in found or ()]


def scale_since(
    splits: Sequence[Divided], *, priced_on: date, first_date: date, is_mark: bool
) -> Scale:
    """Give by how much the units of a position are more than those of its price."""
    new = old = 1
    for split in splits:
        is_in_force = not split.is_reversed
        is_held_after = split.stands or (is_in_force and split.ex_date <= first_date)
        is_priced_after = is_in_force and (
            split.ex_date <= priced_on or (is_mark and split.prices_adjusted)
        )
        if is_held_after and not is_priced_after:
            new, old = new * split.new, old * split.old
        elif is_priced_after and not is_held_after:
            new, old = new * split.old, old * split.new
    return Scale(new, old)
