"""Which record goes where: laws of routing over every event that can be made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import Event
from eventstore.kafka.topics import Topics, partition_of, portfolio_of
from schemas.catalogue import EVENT_TYPES
from schemas.codec import UnknownEventType, encode
from tests.schemas.strategies import events

SHARED = {
    "block.allocated.v1",
    "block.refused.v1",
    "block.busted.v1",
    "source.registered.v1",
    "control.limit_proposed.v1",
    "control.limit_approved.v1",
    "control.limit_declined.v1",
    "control.trading_state_assigned.v1",
    "control.usage_observed.v1",
    "contest.announced.v1",
    "contest.ranks_struck.v1",
    "contest.result_struck.v1",
    "instrument.registered.v1",
    "instrument.renamed.v1",
    "instrument.symbol_changed.v1",
    "instrument.sector_assigned.v1",
    "instrument.suspended.v1",
    "instrument.resumed.v1",
    "instrument.delisted.v1",
    "instrument.written_down.v1",
    "instrument.corporate_action_declared.v1",
    "instrument.corporate_action_reversed.v1",
    "market.time_reached.v1",
    "market.marked.v1",
    "market.session_closed.v1",
    "market.close_corrected.v1",
    "market.benchmark_declared.v1",
    "alert_rule.declared.v1",
    "alert_rule.retired.v1",
    "alert.raised.v1",
    "alert.escalated.v1",
    "alert.acknowledged.v1",
    "alert.cleared.v1",
    "alert.resolved.v1",
    "alert.retracted.v1",
    "alert.delivery_requested.v1",
}
names = st.text(min_size=1, max_size=20)


class TestTopics:
    """The names, which consumers outside know."""

    def test_the_first_generation_has_no_number_in_its_name(self) -> None:
        """Later ones have, and the market's topic is the same for all."""
        first, second = Topics("pms", 6), Topics("pms", 12, generation=2)

        assert (first.portfolios, first.market) == ("pms.portfolios", "pms.market")
        assert (second.portfolios, second.market) == ("pms.portfolios.g2", "pms.market")


class TestRouting:
    """The portfolio of an event, read from the log's bytes."""

    @pytest.mark.parametrize("name", sorted(EVENT_TYPES.keys() - SHARED))
    @given(data=st.data())
    def test_finds_the_portfolio_the_event_names(self, name: str, data: st.DataObject) -> None:
        """In the event itself or in its capture, whatever else the event holds."""
        event: Event = data.draw(events(EVENT_TYPES[name]))

        own = getattr(event, "portfolio", None) or event.capture.portfolio  # type: ignore[attr-defined]

        assert portfolio_of(name, encode(event)) == own

    @pytest.mark.parametrize("name", sorted(SHARED))
    @given(data=st.data())
    def test_shares_what_names_no_portfolio(self, name: str, data: st.DataObject) -> None:
        """Instruments, the market, sources and blocks concern many portfolios."""
        event = data.draw(events(EVENT_TYPES[name]))

        assert portfolio_of(name, encode(event)) is None

    def test_a_name_of_a_later_build_is_not_guessed_at(self) -> None:
        """Sharing it or leaving it out could both be wrong."""
        with pytest.raises(UnknownEventType, match=r"order\.placed"):
            portfolio_of("order.placed.v1", b"{}")

    @given(tenant=names, portfolio=names, partitions=st.integers(1, 64))
    def test_a_portfolio_has_one_partition(
        self, tenant: str, portfolio: str, partitions: int
    ) -> None:
        """One that exists, and the same each time."""
        partition = partition_of(tenant, portfolio, partitions)

        assert 0 <= partition < partitions
        assert partition == partition_of(tenant, portfolio, partitions)

    def test_portfolios_of_one_name_are_spread_over_tenants(self) -> None:
        """The tenant takes part in the choice, so `main` of everybody is not one partition."""
        found = {partition_of(f"tenant-{number}", "main", 6) for number in range(100)}

        assert found == set(range(6))

    def test_the_partition_is_part_of_the_wire(self) -> None:
        """Records are where earlier builds put them: a changed hash would be a new generation."""
        assert [partition_of("acme", name, 6) for name in ("alpha", "beta", "gamma")] == [2, 1, 1]
