"""Read models parted among processes that rebuild them side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.partitions import WHOLE, partitions
from eventstore.tables import create_log
from infra.database import Database
from infra.errors import OperatorError
from infra.read_models import READ_MODELS
from infra.rebuilding import SHARES_MAX, Share, rebuild_shares, shares_of
from projections.building import connect, lock_model


def ignore(_name: str, _position: int, _target: int) -> None:
    """Watch nothing."""


class TestParting:
    """Who rebuilds what."""

    @given(
        models=st.integers(1, len(READ_MODELS)),
        processes=st.integers(0, 9),
        count=st.integers(1, 3),
    )
    def test_gives_each_model_to_one_share_of_each_partition(
        self, models: int, processes: int, count: int
    ) -> None:
        """None twice, none left out, no share empty, and no more shares than processes."""
        chosen = READ_MODELS[:models]

        shares = shares_of(chosen, partitions(count), processes=processes)

        for partition in partitions(count):
            own = [each for each in shares if each.partition == partition]
            assert [model for each in own for model in each.models] == list(chosen)
            assert all(each.models for each in own)
            assert len(own) <= max(1, min(processes, SHARES_MAX))


class TestRebuildingShares:
    """Processes of their own."""

    def test_tells_where_each_model_was_swapped_in(self, database: Database) -> None:
        """An empty log is rebuilt to position 0."""
        create_log(database.owner_conninfo)
        shares = shares_of(READ_MODELS[:2], [WHOLE], processes=2)

        swapped = rebuild_shares(shares, database.app_conninfo, ignore, processes=2)

        assert swapped == {model.name: 0 for model in READ_MODELS[:2]}

    def test_says_why_one_cannot_be_rebuilt(self, database: Database) -> None:
        """Somebody else is at it already."""
        create_log(database.owner_conninfo)
        model = READ_MODELS[0]

        with connect(database.app_conninfo, application_name="another") as connection:
            lock_model(connection, model.name)
            with pytest.raises(OperatorError, match="try again when it has finished"):
                rebuild_shares([Share((model,), WHOLE)], database.app_conninfo, ignore, processes=1)
