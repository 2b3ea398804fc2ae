"""Receipts that travel with COMMIT: what went in comes out, and a conflict leaves nothing."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.envelope import FINGERPRINT_BYTES, NewReceipt
from eventstore.failures import ReceiptConflict
from eventstore.log import Log
from tests.eventstore.samples import new_event

TENANTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
) | st.sampled_from(["o'brien", "''", "\\", "\\'; DROP TABLE log.events; --", "$$", "%s"])


class TestReceiptsWithCommit:
    """A few receipts of the last append of a block are sent as text in the message of COMMIT."""

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        tenant=TENANTS,
        outcome=st.binary(max_size=200),
        fingerprint=st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    )
    def test_come_out_as_they_went_in(
        self, log: Log, tenant: str, outcome: bytes, fingerprint: bytes
    ) -> None:
        """Whatever the texts and bytes, quotes and backslashes included."""
        wanted = NewReceipt(uuid4(), tenant, fingerprint, outcome, None)

        with log.writing() as transaction:
            head = transaction.head.position
            transaction.append([], [wanted], is_last=True)

        found = log.receipts([wanted.command_id])[wanted.command_id]
        assert (found.tenant, found.fingerprint, found.outcome) == (tenant, fingerprint, outcome)
        assert found.position == head

    def test_leave_nothing_behind_when_one_is_there_already(self, log: Log) -> None:
        """The conflict is raised where the block is left; the events beside it are not stored."""
        receipt = NewReceipt(uuid4(), "acme", bytes(FINGERPRINT_BYTES), b"{}", 0)
        event = new_event()
        with log.writing() as transaction:
            transaction.append([event], [receipt], is_last=True)

        with pytest.raises(ReceiptConflict), log.writing() as transaction:
            transaction.append([new_event()], [receipt], is_last=True)

        assert log.head().position == 1
