"""A source's state and control totals: what they say after any history is what its events say."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from hypothesis import given

from domain.correcting import Amend
from domain.lots import Side
from eventstore.partitions import WHOLE, partitions
from projections.asking import Readable
from projections.building import Connection
from projections.outcomes.queries import (
    ControlTotals,
    DayTotals,
    SourceState,
    control_totals_of,
    state_of,
)
from projections.outcomes.sequences import Arrived, Gap
from projections.read_model import Decoded
from projections.rows import Tables
from projections.trades.model import Trades
from tests.domain.blotter import LATER, Blotter, Bust, Message, Registration
from tests.domain.scenes import ACME, DESK, MONDAY, NOON, SELL, TUESDAY, WEDNESDAY, told
from tests.domain.test_trade_settlement import settled
from tests.projections.outcomes.copying import Commands, copied, fold, recorded
from tests.projections.outcomes.histories import REFUSED, histories, slow

PARTS = partitions(4)


def state(tables: Connection, commands: Commands) -> SourceState:
    """The state of the source after commands."""
    fold(tables, recorded(commands))
    return state_of(Readable(tables), tenant=ACME, source=DESK)


def totals(
    tables: Connection, *messages: Message, from_date: date = MONDAY, to_date: date = WEDNESDAY
) -> list[DayTotals]:
    """The source's control totals after messages."""
    blotter = Blotter()
    blotter.tell(*messages)
    fold(tables, recorded(blotter.commands))
    return control_totals_of(
        Readable(tables), tenant=ACME, source=DESK, from_date=from_date, to_date=to_date
    ).totals


def told_of(*messages: Message) -> Commands:
    """The commands of messages."""
    blotter = Blotter()
    blotter.tell(*messages)
    return blotter.commands


def day(trade_date: date | None = MONDAY, currency: str | None = "USD", **said: Any) -> DayTotals:
    """A day's totals: nothing, but for what is said."""
    numbers = {name: Decimal(0) for name in ("quantity", "consideration", "fees")}
    counts = dict.fromkeys(("trades", "refused", "parked", "held"), 0)
    return DayTotals(trade_date, currency, **(numbers | counts | said))


class TestArriving:
    """A number has arrived whatever became of what bore it."""

    def test_in_any_order_with_gaps(self, tables: Connection) -> None:
        """The last without a gap before it, and what is missing behind."""
        found = state(
            tables, told_of(*(told(f"t-{n}", source_sequence=n) for n in (7, 2, 1, 3, 9, 5)))
        )

        assert found.arrived == Arrived(1, 3, 9, 3, 3, (Gap(4, 4), Gap(6, 6), Gap(8, 8)))

    def test_refused_parked_busted_and_amended_ones_have_arrived(self, tables: Connection) -> None:
        """Nobody need send them again."""
        commands = [
            *told_of(
                told("t-1", source_sequence=7, instrument=LATER),
                told("t-2", source_sequence=8),
                Bust("t-2"),
                Amend(1, told("t-1", source_sequence=10)),
            ),
            [REFUSED],
        ]

        assert state(tables, commands).arrived == Arrived(7, 10, 10, 0, 0, ())

    def test_counts_outcomes_by_kind(self, tables: Connection) -> None:
        """And says where the last of them is."""
        found = state(tables, told_of(told("t-1"), told("t-2"), Bust("t-1"), settled(1, "t-2")))

        lines, _ = copied(Readable(tables))
        assert found.counts == Counter(line["kind"] for line in lines)
        assert found.last_position == lines[-1]["position"]
        assert found.arrived is None

    def test_of_nobody_nothing_is_known(self, tables: Connection) -> None:
        """Which is an answer too."""
        fold(tables, recorded(told_of(told("t-1"))))

        found = state_of(Readable(tables), tenant=ACME, source="nobody")

        assert found == SourceState(6, 0, {}, None)


class TestAddingUp:
    """Totals are of the trades as they stand now."""

    def test_by_trade_date_with_signs(self, tables: Connection) -> None:
        """Bought is positive and costs; sold is negative and pays; fees apart."""
        found = totals(
            tables,
            told("t-1", quantity=Decimal(3), price=Decimal(10), fee=Decimal(1)),
            told("t-2", side=SELL, quantity=Decimal(2), price=Decimal("10.5")),
            told("t-3", quantity=Decimal(1), price=Decimal(7), trade_date=TUESDAY),
        )

        assert found == [
            day(trades=2, quantity=Decimal(1), consideration=Decimal(-9), fees=Decimal(1)),
            day(TUESDAY, trades=1, quantity=Decimal(1), consideration=Decimal(-7)),
        ]

    def test_an_amended_trade_counts_as_it_is_now(self, tables: Connection) -> None:
        """On its new date, and on the old one no more."""
        first = told("t-1", quantity=Decimal(3), price=Decimal(10))
        amend = Amend(1, told("t-1", quantity=Decimal(4), price=Decimal(2), trade_date=TUESDAY))

        assert totals(tables, first, amend) == [
            day(TUESDAY, trades=1, quantity=Decimal(4), consideration=Decimal(-8))
        ]

    def test_a_busted_trade_counts_no_more(self, tables: Connection) -> None:
        """As if it had never been."""
        assert totals(tables, told("t-1"), Bust("t-1")) == []

    def test_what_waits_is_counted_beside(self, tables: Connection) -> None:
        """Parked until the instrument appears, held until the trade does; then it counts."""
        parked, held = told("t-1", instrument=LATER), Amend(1, told("t-2"))
        known = day(
            trades=1, quantity=parked.quantity, consideration=-parked.quantity * parked.price
        )

        assert totals(tables, parked, held) == [day(parked=1, held=1)]
        assert totals(tables, parked, held, Registration(), Bust("t-2")) == [
            day(None, None, held=1),
            known,
        ]

    def test_only_dates_that_are_asked_for(self, tables: Connection) -> None:
        """Both ends included."""
        trades = [told("t-1"), told("t-2", trade_date=TUESDAY)]

        (found,) = totals(tables, *trades, from_date=TUESDAY, to_date=TUESDAY)

        assert found.trade_date == TUESDAY

    def test_a_capture_without_a_date_counts_on_that_of_its_instant(
        self, tables: Connection
    ) -> None:
        """In UTC, while no calendar says better."""
        parked = told(instrument=LATER, trade_date=None, executed_at=NOON)

        assert totals(tables, parked) == [day(parked=1)]


TRADES = """
SELECT trade_date, executed_at, currency, status, side, quantity, consideration, fee,
    booked_position IS NOT NULL
FROM {schema}.trades WHERE source = %s
"""
HELD = "SELECT trade_date, currency FROM {schema}.held_corrections WHERE source = %s"


def recomputed(tables: Connection) -> list[DayTotals]:
    """The totals as the blotter's rows add up to them, one by one."""
    found: defaultdict[tuple[date | None, str | None], dict[str, Any]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    with tables.cursor() as cursor:
        trades = Tables("trades").select(cursor, TRADES, (DESK,))
        held = Tables("trades").select(cursor, HELD, (DESK,))
    for traded, at, currency, status, side, quantity, amount, fee, is_booked in trades:
        on = traded or at.astimezone(UTC).date()
        totals = found[on, currency]
        if is_booked:
            sign = 1 if side == Side.BUY else -1
            totals["trades"] += 1
            totals["quantity"] += sign * quantity
            totals["consideration"] -= sign * amount
            totals["fees"] += fee
        elif status in {"refused", "parked"}:
            totals[status] += 1
    for traded, currency in held:
        found[traded, currency]["held"] += 1
    names = ("trades", "quantity", "consideration", "fees", "refused", "parked", "held")
    days = [DayTotals(*key, *(each[name] for name in names)) for key, each in found.items()]
    return sorted(
        (each for each in days if each.trades or each.refused or each.parked or each.held),
        key=lambda each: (each.trade_date or date.min, each.currency or ""),
    )


def numbers_in(decoded: Iterable[Decoded]) -> set[int]:
    """Every number that some content of the source has, refused or not."""
    contents = [
        getattr(each.event, "capture", None) or getattr(each.event, "block", None)
        for each in decoded
    ]
    numbers = [content.source_sequence for content in contents if content is not None]
    return {number for number in numbers if number is not None}


def all_totals(readable: Readable) -> ControlTotals:
    """Totals of all dates."""
    return control_totals_of(
        readable, tenant=ACME, source=DESK, from_date=date(1900, 1, 1), to_date=date(2199, 1, 1)
    )


class TestLaws:
    """Whatever the history."""

    @slow
    @given(commands=histories())
    def test_totals_are_what_the_blotter_adds_up_to(
        self, tables: Connection, commands: Commands
    ) -> None:
        """Trades as booked now, refusals, what is parked and held: from another model's rows."""
        decoded = recorded(commands)
        fold(tables, decoded, sizes=(3,))
        fold(tables, decoded, model=Trades())

        assert all_totals(Readable(tables)).totals == recomputed(tables)

    @slow
    @given(commands=histories())
    def test_what_arrived_is_what_was_told(self, tables: Connection, commands: Commands) -> None:
        """Every number of every content; gaps are the others between them."""
        decoded = recorded(commands)
        fold(tables, decoded, sizes=(3,))
        numbers = numbers_in(decoded)

        found = state_of(Readable(tables), tenant=ACME, source=DESK).arrived

        if found is None:
            assert not numbers
            return
        inside = {n for gap in found.gaps for n in range(gap.first, gap.last + 1)}
        assert set(range(found.lowest, found.highest + 1)) - inside == numbers
        assert found.missing == len(inside)

    @slow
    @given(commands=histories())
    def test_partitions_say_together_what_the_whole_says(
        self, tables: Connection, commands: Commands
    ) -> None:
        """Sums, numbers put together, and what all of them hold counted once."""
        decoded = recorded(commands)
        for partition in (WHOLE, *PARTS):
            fold(tables, decoded, partition=partition, sizes=(3,), forgets=True)

        parted = Readable(tables, PARTS)

        assert state_of(parted, tenant=ACME, source=DESK) == state_of(
            Readable(tables), tenant=ACME, source=DESK
        )
        assert all_totals(parted) == all_totals(Readable(tables))
