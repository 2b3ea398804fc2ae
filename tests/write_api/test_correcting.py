"""POST /v1/trades/{source}/{external_id}/amendments and …/busts, seen by a caller."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key, trade

AWKWARD = "fill/1#a?b%2F c".replace(" ", "+") + "/busts"
"""An id that needs percent-encoding, and ends as an address does."""


def amendment(instrument: str, revision: int = 1, **changes: object) -> dict[str, object]:
    """Give a revision as callers send it."""
    named = {"external_id", "intent"}
    content = {name: value for name, value in trade(instrument).items() if name not in named}
    return content | {"revision": revision} | changes


def bust(**changes: object) -> dict[str, object]:
    """Give a bust as callers send it."""
    return {"portfolio": "growth", "reason": "cancelled_by_venue"} | changes


class TestCorrecting:
    """An acceptance says what became of it."""

    @pytest.mark.parametrize("external_id", ["t-1", AWKWARD])
    def test_names_the_trade_by_its_path(
        self, client: Client, portfolio: str, apple: str, external_id: str
    ) -> None:
        """Amended, then busted: the same trade, event by event."""
        execution = client("execution")
        sent = trade(apple, external_id=external_id, intent="executed")
        captured = execution.post("/v1/trades", json=sent, headers=key()).json()
        path = f"/v1/trades/desk-1/{quote(external_id, safe='')}"

        amended = execution.post(f"{path}/amendments", json=amendment(apple), headers=key())
        busted = execution.post(f"{path}/busts", json=bust(), headers=key())

        assert (amended.status_code, busted.status_code) == (201, 201), busted.text
        assert {each.json()["trade_id"] for each in (amended, busted)} == {captured["trade_id"]}
        assert [each.json()["stream_version"] for each in (amended, busted)] == [2, 3]

    def test_says_what_waits_and_what_changes_nothing(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Before its trade, and behind a higher revision."""
        execution, path = client("execution"), f"/v1/trades/desk-1/{uuid4().hex}/amendments"

        held = execution.post(path, json=amendment(apple, 2), headers=key()).json()
        superseded = execution.post(path, json=amendment(apple, 1), headers=key()).json()

        assert (held["is_held"], held.get("is_superseded", False)) == (True, False)
        assert (superseded.get("is_held", False), superseded["is_superseded"]) == (False, True)

    def test_conflicts_with_other_content_of_the_same_revision(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """409 names what differs; the same content is told again."""
        execution, path = client("execution"), f"/v1/trades/desk-1/{uuid4().hex}/amendments"
        execution.post(path, json=amendment(apple), headers=key())

        again = execution.post(path, json=amendment(apple), headers=key())
        other = execution.post(path, json=amendment(apple, price="1"), headers=key())

        assert again.json()["replayed"] is True
        assert assert_problem(other, 409, "revision_conflict")["fields"] == ["price"]

    def test_is_refused_where_it_is_not_understood(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Another's source, an unknown portfolio, a revision below 1, no date."""
        execution, trade_path = client("execution"), f"/v1/trades/desk-1/{uuid4().hex}"
        path = f"{trade_path}/amendments"

        stranger = execution.post("/v1/trades/desk-2/t-1/busts", json=bust(), headers=key())
        nowhere = execution.post(f"{trade_path}/busts", json=bust(portfolio="x"), headers=key())
        zero = execution.post(path, json=amendment(apple, 0), headers=key())
        undated = execution.post(path, json=amendment(apple, trade_date=None), headers=key())

        assert_problem(stranger, 403, "source_not_yours")
        assert_problem(nowhere, 422, "portfolio_unknown")
        assert_problem(zero, 400, "field_invalid")
        assert_problem(undated, 400, "date_missing")
