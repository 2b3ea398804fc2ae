"""The `current` part of every table: what two logs of the same facts show, however they were told.

A column is compared unless it is named here, with the reason why it differs by arrival.
"""

from typing import Any

from projections.building import Connection

WHEN_TOLD = "a position in the log: where it was told"
LEFT_OUT = {
    "positions.portfolios": {"changed_position": WHEN_TOLD},
    "positions.instruments": {"changed_position": WHEN_TOLD},
    "positions.calendars": {"changed_position": WHEN_TOLD},
    "positions.closes": {"changed_position": WHEN_TOLD},
    "positions.prices": {
        "position": WHEN_TOLD,
        "tick_position": WHEN_TOLD,
        "changed_position": WHEN_TOLD,
    },
    "positions.positions": {
        "changed_position": WHEN_TOLD,
        "first_date": "the date of the first trade ever told, though it was taken out again",
    },
    "positions.lots": {
        "order_position": f"{WHEN_TOLD}; the order itself is compared",
        "order_index": "as the position; the order itself is compared",
        "changed_position": WHEN_TOLD,
    },
    "cash.movements": {
        "position": WHEN_TOLD,
        "amount": "summed over what is told once more with the opposite sign",
        "leg": "the number of a leg within its event",
        "balance_after": "the balance at its place in the log",
        "reversal": "the legs of what was taken out again: only the sum of all counts",
        "recorded_at": "when it was told",
    },
    "cash.balances": {"changed_position": WHEN_TOLD},
    "cash.ladder": {"changed_position": WHEN_TOLD},
    "trades.trades": {
        "position": WHEN_TOLD,
        "status": "booked as told, or amended to the same content",
        "realised_gross": "what it realised when it was booked, among what was there by then",
        "realised_net": "what it realised when it was booked, among what was there by then",
        "is_late": "whether it came behind its place in book order",
        "breaches": "what it broke when it was told: the lots and the cash of then",
        "judged_position": WHEN_TOLD,
        "released_position": WHEN_TOLD,
        "booked_position": WHEN_TOLD,
        "recorded_at": "when it was told",
        "changed_position": WHEN_TOLD,
        "revision": "of the amend that led to the same content",
        "reason": "of the amend that led to the same content",
    },
    "performance.portfolios": {
        "opened_position": WHEN_TOLD,
        "held": "what the fold keeps in mind: names of what was taken out again among them",
    },
    "performance.sessions": {"position": WHEN_TOLD},
    "performance.fills": {"position": WHEN_TOLD},
    "performance.flows": {"position": WHEN_TOLD},
    "performance.marks": {"position": WHEN_TOLD, "corrected_position": WHEN_TOLD},
    "performance.sectors": {"position": WHEN_TOLD},
    "performance.benchmarks": {"position": WHEN_TOLD},
    "performance.contests": {"position": WHEN_TOLD},
    "performance.contestants": {"changed_position": WHEN_TOLD},
    "performance.strikes": {
        "position": WHEN_TOLD,
        "inputs_position": WHEN_TOLD,
        "market_position": WHEN_TOLD,
        "caused_at": WHEN_TOLD,
    },
    "performance.ranks": {"place": f"{WHEN_TOLD}; the rank itself is compared"},
    "market.marks": {"position": WHEN_TOLD, "corrected_position": WHEN_TOLD},
    "performance.days": {
        "changed_position": WHEN_TOLD,
        "restated_position": WHEN_TOLD,
        "restated_reason": "why it differs from what was struck",
    },
    "performance.figures": {
        "position": WHEN_TOLD,
        "closed_at": WHEN_TOLD,
        "figures": "what was known when they were struck",
    },
    "controls.limits": {
        "proposed_position": WHEN_TOLD,
        "proposed_at": "when it was told",
        "decided_position": WHEN_TOLD,
        "decided_at": "when it was told",
        "until_position": WHEN_TOLD,
        "changed_position": WHEN_TOLD,
    },
    "controls.trading_states": {
        "position": WHEN_TOLD,
        "recorded_at": "when it was told",
        "until_position": WHEN_TOLD,
        "changed_position": WHEN_TOLD,
    },
    "controls.overrides": {
        "position": WHEN_TOLD,
        "used_position": WHEN_TOLD,
        "changed_position": WHEN_TOLD,
    },
    "controls.breaches": {
        "position": WHEN_TOLD,
        "market_position": WHEN_TOLD,
        "closed_position": WHEN_TOLD,
        "changed_position": WHEN_TOLD,
    },
    "controls.usage": {
        "as_of": WHEN_TOLD,
        "observed_at": "when it was told",
        "changed_position": WHEN_TOLD,
    },
}  # fmt: skip
"""What differs by arrival alone, by table; beside it every column `struck_…`."""

ONLY = {
    "positions.positions": "traded_key IS NOT NULL",
    "cash.ladder": "(settled <> 0 OR pending_in <> 0 OR pending_out <> 0)",
    "trades.trades": "status NOT IN ('busted', 'reassigned')",
    "trades.names": "false",
    "outcomes.outcomes": "false",
    "outcomes.counts": "false",
    "outcomes.sequences": "false",
    "outcomes.control_totals": "trades <> 0",
    "alerts.rules": "false",
    "alerts.alerts": "false",
    "alerts.occurrences": "false",
}
"""Rows that count: nothing stands behind the others any more; in book order nothing ever did.

What a source was told, and how often, is how it was told, and so is what was named before it was
amended: nothing of that is compared. What alerts were raised follows from what was known at each
position.
"""

LOT_NUMBER = (
    "row_number() OVER (PARTITION BY tenant, portfolio, instrument"
    " ORDER BY order_position, order_index)"
)
ADDITIONS = {
    "cash.movements": ("trim_scale(sum(amount))",),
    "positions.lots": (LOT_NUMBER,),
}
_SELECT = "SELECT {shown} FROM {table} WHERE {counted}"
_SUMMED = " GROUP BY {kept} HAVING sum(amount) <> 0"


def current(connection: Connection, table: str, tenant: str) -> list[tuple[Any, ...]]:
    """Rows of `schema.table` that show what is known now, of one tenant where it has tenants."""
    schema, name = table.split(".")
    columns = dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            (schema, name),
        ).fetchall()
    )
    assert columns.keys() >= LEFT_OUT.get(table, {}).keys(), "no column is left out that is gone"
    shown = [
        f"trim_scale({column})" if kind == "numeric" else column
        for column, kind in columns.items()
        if column not in LEFT_OUT.get(table, {}) and not column.startswith("struck_")
    ]
    statement = _SELECT.format(
        shown=", ".join([*shown, *ADDITIONS.get(table, ())]),
        table=table,
        counted=ONLY.get(table, "true"),
    )
    if "tenant" in columns:
        statement += " AND tenant = %(tenant)s"
    if table == "cash.movements":
        statement += _SUMMED.format(kept=", ".join(shown))
    return sorted(connection.execute(statement.encode(), {"tenant": tenant}).fetchall(), key=str)
