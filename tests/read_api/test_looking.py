"""The client looks at what the query side answers: chosen fields, files, and only what changed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from client import AsyncClient, Client, Refused, Seen
from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import OWNER, Addresses, NewTeller, Teller

Look = Callable[..., Seen]
CASH = "/v1/portfolios/growth/cash"
MOVEMENTS = f"{CASH}/movements"


@pytest.fixture(params=["waiting", "asynchronous"])
def look(request: pytest.FixtureRequest, addresses: Addresses) -> Look:
    """One way to look with either client."""

    def looked(path: str, *known: Seen, tenant: str = OWNER, **asked: Any) -> Seen:
        bearer = token(tenant, "admin", source="desk-1")
        if request.param == "waiting":
            with Client.to(addresses.read, token=bearer) as client:
                return client.look(path, *known, **asked)

        async def awaited() -> Seen:
            async with AsyncClient.to(addresses.read, token=bearer) as client:
                return await client.look(path, *known, **asked)

        return asyncio.run(awaited())

    return looked


class TestLooking:
    """What was answered, with its positions."""

    def test_gives_the_fields_asked_for(self, story: Teller, look: Look) -> None:
        """Of a list and of one item."""
        cash = look(CASH, fields=["currency", "balance"])
        one = look("/v1/portfolios/growth/positions/AAPL", fields=["quantity"])

        assert cash.document()["items"] == [{"currency": "USD", "balance": "96498.5"}]
        assert cash.position >= cash.market_position > 0
        assert cash.media_type == "application/json"
        assert one.document()["item"] == {"quantity": "30"}
        assert story is not None

    def test_gives_a_whole_table(self, story: Teller, look: Look) -> None:
        """As a file of the format asked for."""
        arrow = look(MOVEMENTS, form="arrow", fields=["amount"])

        table = pa.ipc.open_stream(arrow.content).read_all()
        items = story.ask(MOVEMENTS)["items"]
        assert table.num_rows == len(items)
        assert arrow.position > 0

    def test_tells_what_is_unchanged(self, teller: NewTeller, look: Look) -> None:
        """Until something changes; a write that does not show moves the position on."""
        tenant = new_tenant()
        owner = teller(tenant=tenant)
        opened = owner.tell("/v1/portfolios", portfolio="one", base_currency="USD")
        asked = {"min_position": opened["position"], "fields": ["portfolio"], "tenant": tenant}

        first = look("/v1/portfolios", **asked)
        same = look("/v1/portfolios", first, **asked)
        second = owner.tell("/v1/portfolios", portfolio="two", base_currency="USD")
        owner.ask("/v1/portfolios", min_position=second["position"], wait_seconds=20)
        changed = look("/v1/portfolios", same, **asked)

        assert (first.is_unchanged, same.is_unchanged, changed.is_unchanged) == (False, True, False)
        assert same.content == first.content
        assert same.position >= first.position
        assert len(changed.document()["items"]) == 2

    def test_is_refused_by_name(self, story: Teller, look: Look) -> None:
        """A problem, as every other question's."""
        assert story is not None
        with pytest.raises(Refused) as refused:
            look(CASH, fields=["colour"])

        assert refused.value.problem.code == "parameter_invalid"


class TestSaving:
    """A whole table into a file."""

    def test_writes_what_would_have_been_looked_at(
        self, story: Teller, addresses: Addresses
    ) -> None:
        """From the file's beginning."""
        assert story is not None
        file = io.BytesIO(b"x" * 100_000)
        with Client.to(addresses.read, token=token(OWNER, "admin", source="desk-1")) as client:
            saved = client.save(MOVEMENTS, file, fields=["amount", "currency"])
            looked = client.look(MOVEMENTS, form="csv", fields=["amount", "currency"])

        assert file.getvalue() == looked.content
        assert (saved.content, saved.media_type) == (b"", "text/csv")
        assert saved.tag == looked.tag
