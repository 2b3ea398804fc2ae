"""The drop copy: one line for each outcome of a source, complete when served, in log order."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.allocating import allocate
from domain.block import Allotment, BlockAllocated, BlockBusted, BlockRefused
from domain.correcting import Amend
from eventstore.partitions import partitions
from projections.asking import Readable
from projections.building import Connection
from projections.comparing import first_difference
from projections.outcomes.queries import Lines
from projections.outcomes.tables import TABLES
from tests.domain.blotter import LATER, Bust, Message, Registration
from tests.domain.scenes import DESK, SELL, TUESDAY, name_of, told
from tests.domain.test_allocating import block
from tests.domain.test_trade_settlement import blotter, failed, resumed, settled
from tests.projections.outcomes.copying import Commands, copied, fold, recorded
from tests.projections.outcomes.histories import REFUSED, histories, slow

COUNT = 4


def lines_of(tables: Connection, *messages: Message, **how: Any) -> list[dict[str, Any]]:
    """What the drop copy of some messages says."""
    return lines_after(tables, blotter(*messages, **how).commands)


def lines_after(tables: Connection, commands: Commands) -> list[dict[str, Any]]:
    """What the drop copy of decided commands says."""
    fold(tables, recorded(commands))
    return copied(Readable(tables))[0]


def kinds(lines: list[dict[str, Any]]) -> list[str]:
    """Their kinds."""
    return [line["kind"] for line in lines]


class TestTellingOfATrade:
    """Each thing that becomes of a trade is one line."""

    def test_an_acceptance_carries_what_it_was_booked_as(self, tables: Connection) -> None:
        """Content, warnings and results, named by the command that asked."""
        bought = told("t-1", quantity=Decimal(3), price=Decimal(10), source_sequence=1)
        sold = told("t-2", side=SELL, quantity=Decimal(5), price=Decimal(12), fee=Decimal(1))

        first, second = lines_of(tables, bought, sold)

        assert first["kind"] == "captured"
        assert first["trade_id"] == str(name_of("t-1"))
        assert (first["external_id"], first["source_sequence"]) == ("t-1", 1)
        assert (first["quantity"], first["price"], first["consideration"]) == ("3", "10", "30")
        assert (first["cash_change"], first["realised_gross"]) == ("-30", "0")
        assert first["value_date"] == "2024-01-10"
        assert first["command_id"].endswith("05"), "two commands opened, two paid in"
        assert first["position"] == 5
        assert (second["realised_gross"], second["realised_net"]) == ("6", "5.4")
        assert [each["rule"] for each in second["warnings"]] == ["short_not_allowed"]

    def test_a_refusal_carries_every_breach(self, tables: Connection) -> None:
        """And the content that was refused."""
        (line,) = lines_after(tables, [[REFUSED]])

        assert line["kind"] == "refused"
        assert line["breaches"] == [
            {
                "rule": "insufficient_cash",
                "message": "Cash is short.",
                "limit": "10",
                "actual": "11",
            }
        ]
        assert line["external_id"] == "no"

    def test_what_is_parked_is_released(self, tables: Connection) -> None:
        """Parked without results; released with them."""
        parked, released = lines_of(tables, told(instrument=LATER), Registration())

        assert kinds([parked, released]) == ["parked", "released"]
        assert "cash_change" not in parked
        assert released["trade_id"] == parked["trade_id"]
        assert released["external_id"] == "t-1"
        assert Decimal(released["cash_change"]) < 0

    def test_an_amend_takes_out_and_books_anew(self, tables: Connection) -> None:
        """Three lines after the capture: the amend with its results, what went, what it restated.

        The order is that of the log: the trade's own event comes first.
        """
        first = told("t-1", quantity=Decimal(3), price=Decimal(10))
        amend = Amend(2, told("t-1", quantity=Decimal(2), price=Decimal(10)), reason="typo")

        lines = lines_of(tables, first, amend)

        assert kinds(lines) == ["captured", "amended", "unbooked", "restated"]
        _, amended, unbooked, restated = lines
        assert (amended["revision"], amended["reason"]) == (2, "typo")
        assert (amended["quantity"], amended["cash_change"]) == ("2", "-20")
        assert (unbooked["cash_change"], unbooked["reason"]) == ("30", "amended")
        assert (restated["page"], restated["pages"]) == (1, 1)
        assert restated["totals"]["quantity"] == "0"

    def test_a_late_trade_tells_what_others_realise_now(self, tables: Connection) -> None:
        """The change on each date, by the name of the trade that was late."""
        on_tuesday = [
            told("t-1", quantity=Decimal(1), price=Decimal(10), trade_date=TUESDAY),
            told("t-2", side=SELL, quantity=Decimal(1), price=Decimal(12), trade_date=TUESDAY),
        ]
        late = told("t-3", quantity=Decimal(1), price=Decimal(7))

        *_, booked, restated = lines_of(tables, *on_tuesday, late)

        assert booked["is_late"]
        assert restated["kind"] == "restated"
        assert (restated["trade_id"], restated["external_id"]) == (str(name_of("t-3")), "t-3")
        assert restated["changes"] == [{"trade_date": "2024-01-09", "gross": "3", "net": "3"}]

    def test_what_is_early_is_held(self, tables: Connection) -> None:
        """And told again when it holds: a bust over an amend over a capture."""
        lines = lines_of(
            tables,
            Amend(1, told("t-1", quantity=Decimal(2))),
            Bust("t-1"),
            told("t-1"),
            Amend(2, told("t-1", quantity=Decimal(4))),
        )

        assert kinds(lines) == [
            "amend_held", "bust_held", "captured", "busted", "amend_superseded",
        ]  # fmt: skip
        assert "cash_change" not in lines[2]

    def test_settlement_words_say_how_it_stands(self, tables: Connection) -> None:
        """Settled in part, failing, resumed; and held where the trade is not known."""
        lines = lines_of(
            tables,
            settled(1, "t-2"),
            told("t-1", quantity=Decimal(10)),
            settled(1, quantity=Decimal(4)),
            failed(1),
            resumed(1),
        )

        assert kinds(lines) == [
            "settled", "captured", "settled", "settlement_failed", "settlement_resumed",
        ]  # fmt: skip
        assert lines[0]["is_held"]
        assert lines[2]["settlement"]["status"] == "partially_settled"
        assert lines[3]["settlement"]["status"] == "failed"
        assert lines[4]["settlement"]["status"] == "partially_settled"

    def test_a_block_has_lines_of_its_own(self, tables: Connection) -> None:
        """Beside those of its trades."""
        wanted = block(1, 1, source_sequence=3)
        allotments = tuple(
            Allotment(portfolio=part.portfolio, quantity=part.quantity, trade_id=name_of("b"))
            for part in allocate(wanted)
        )
        name = name_of("block")
        commands: Commands = [
            [BlockAllocated(block_id=name, block=wanted, allotments=allotments)],
            [BlockRefused(block_id=name, block=wanted, market_position=1)],
            [BlockBusted(block_id=name, source=DESK, external_id="BLOCK-1", reason="wrong")],
        ]

        lines = lines_after(tables, commands)

        assert kinds(lines) == ["block_allocated", "block_refused", "block_busted"]
        assert [each["quantity"] for each in lines[0]["allotments"]] == ["50", "50"]

    def test_another_source_is_told_nothing_of_it(self, tables: Connection) -> None:
        """Nor another tenant's."""
        fold(tables, recorded(blotter(told("t-1"), told("t-1", source="desk-2")).commands))

        assert len(copied(Readable(tables))[0]) == 1
        assert len(copied(Readable(tables), source="desk-2")[0]) == 0


class TestLaws:
    """Whatever the history, the batches and the partitions."""

    @slow
    @given(commands=histories(), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
    def test_any_batches_give_the_same_tables(
        self, tables: Connection, commands: Commands, sizes: list[int]
    ) -> None:
        """Also those that end within a command, and those that meet a new fold each."""
        decoded = recorded(commands)
        tables.execute("DROP SCHEMA IF EXISTS whole CASCADE")
        fold(tables, decoded)
        tables.execute("ALTER SCHEMA outcomes RENAME TO whole")

        for forgets in (False, True):
            fold(tables, decoded, sizes=sizes, forgets=forgets)
            with tables.cursor() as cursor:
                found = first_difference(cursor, TABLES, live="outcomes", rebuilt="whole")
            assert found is None

    @slow
    @given(commands=histories(), limit=st.integers(1, 4), at=st.integers(0, 99))
    def test_a_reader_that_resumes_anywhere_gets_exactly_the_rest(
        self, tables: Connection, commands: Commands, limit: int, at: int
    ) -> None:
        """From the position of any line, or from what was called complete, page by page."""
        fold(tables, recorded(commands))
        whole, _ = copied(Readable(tables))
        assert [line["position"] for line in whole] == sorted(
            {line["position"] for line in whole}
        ), "no position twice, in log order"

        after = whole[at % len(whole)]["position"] if whole and at else 0
        rest = [line for line in whole if line["position"] > after]
        seen: list[dict[str, Any]] = []
        while len(seen) < len(rest):
            lines, found = copied(Readable(tables), after=after, limit=limit)
            assert 0 < len(lines) <= limit
            seen += lines
            assert found.may_go_on or len(seen) == len(rest), "a last stretch leaves nothing out"
            after = found.complete_to
        assert seen == rest
        assert copied(Readable(tables), after=after)[0] == []

    @slow
    @given(commands=histories(), until=st.integers(1, 999))
    def test_a_line_is_served_complete_or_not_at_all(
        self, tables: Connection, commands: Commands, until: int
    ) -> None:
        """Wherever a batch ended: what is served then is served so later, and is all there is."""
        decoded = recorded(commands)
        fold(tables, decoded)
        whole, _ = copied(Readable(tables))

        fold(tables, decoded, until=1 + until % len(decoded))
        now, found = copied(Readable(tables))

        assert now == [line for line in whole if line["position"] <= found.complete_to]

    @slow
    @given(
        commands=histories(),
        limit=st.integers(1, 4),
        heads=st.tuples(*[st.integers(1, 99)] * COUNT),
    )
    def test_partitions_apart_serve_no_gap_and_no_repeat(
        self, tables: Connection, commands: Commands, limit: int, heads: tuple[int, ...]
    ) -> None:
        """Each stands somewhere; then all at the head: together exactly the lines of the whole."""
        decoded = recorded(commands)
        fold(tables, decoded)
        whole, _ = copied(Readable(tables))
        parted = Readable(tables, partitions(COUNT))

        seen: list[dict[str, Any]] = []
        after = 0
        for stand in (heads, (len(decoded),) * COUNT):
            for partition, head in zip(partitions(COUNT), stand, strict=True):
                fold(tables, decoded, partition=partition, until=min(head, len(decoded)))
            while True:
                lines, found = copied(parted, after=after, limit=limit)
                seen += lines
                if not lines:
                    break
                after = found.complete_to
        assert seen == whole


class TestStanding:
    """Up to where a stretch is complete."""

    def test_without_a_line_it_is_complete_to_the_checkpoint(self, tables: Connection) -> None:
        """So a reader need not ask for the same stretch again."""
        decoded = recorded(blotter(told("t-1")).commands)
        fold(tables, decoded)

        assert copied(Readable(tables), source="nobody")[1].complete_to == len(decoded)

    def test_never_behind_where_the_reader_stands(self, tables: Connection) -> None:
        """A reader's place never goes back."""
        fold(tables, recorded(blotter(told("t-1")).commands))

        assert copied(Readable(tables), after=500)[1] == Lines([], 500)
