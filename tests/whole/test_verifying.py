"""`pms verify` names the first difference and fails; `pms rebuild` puts it right."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from domain.identity import MARKET_TENANT
from gateway.access import Role
from tests.whole.system import WholeSystem, pms, whole_system

pytestmark = pytest.mark.slow
TENANT = "acme"


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    """A running PMS with one trade in it."""
    with whole_system() as system:
        exchange = system.writer(MARKET_TENANT, Role.MARKET_DATA)
        instrument = {
            "instrument": "ACME", "symbol": "Acme", "currency": "USD",
            "asset_class": "equity", "calendar": "XNYS",
        }  # fmt: skip
        assert exchange.command("/v1/instruments", instrument, key="acme").is_accepted
        writer = system.writer(TENANT, Role.PORTFOLIO_MANAGER, Role.EXECUTION, source="desk")
        opening = {"portfolio": "growth", "base_currency": "USD"}
        assert writer.command("/v1/portfolios", opening, key="open").is_accepted
        trade = {
            "portfolio": "growth", "external_id": "1", "intent": "executed",
            "instrument": "ACME", "side": "buy", "quantity": "3", "price": "10",
            "currency": "USD", "trade_date": "2024-01-02",
        }  # fmt: skip
        reply = writer.command("/v1/trades", trade, key="1")
        assert reply.is_accepted
        reader = system.reader(TENANT)
        reader.query("/v1/portfolios/growth/positions", min_position=reply.document["position"])
        yield system


class TestVerifying:
    """Every check is printed with what it counted."""

    def test_agrees(self, system: WholeSystem) -> None:
        """Status 0 while all is as it should be."""
        ended = system.pms("verify")

        assert ended.status == 0, ended.output + ended.said
        assert "positions equals a rebuild" in ended.output
        assert "DIFFERS" not in ended.output

    def test_names_a_tampered_row_until_it_is_rebuilt(self, system: WholeSystem) -> None:
        """Table, key, column and both values; a rebuild makes the row what the log says."""
        with psycopg.connect(system.running.database.app_conninfo) as connection:
            connection.execute("UPDATE positions.positions SET realised_net = 5")

        broken = system.pms("verify")
        rebuilt = system.pms("rebuild", "positions")
        mended = system.pms("verify")

        said = " ".join(broken.said.split())
        assert broken.status == 1
        assert "positions" in said
        assert "column realised_net: live 5, rebuilt 0" in said
        assert rebuilt.status == 0, rebuilt.said
        assert mended.status == 0, mended.output + mended.said

    def test_is_refused_where_there_is_no_data(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """One sentence, no traceback."""
        nowhere = tmp_path_factory.mktemp("nowhere")

        ended = pms("verify", "--data", str(nowhere))

        assert ended.status == 1
        assert "There is no PMS in" in ended.said
        assert "Traceback" not in ended.said


class TestRebuilding:
    """Models are named."""

    def test_rebuilds_all_by_default(self, system: WholeSystem) -> None:
        """Each is told with how many events it folded."""
        ended = system.pms("rebuild")

        assert ended.status == 0, ended.said
        for name in ("positions", "cash", "trades", "performance"):
            assert f"{name}: " in ended.said

    def test_refuses_an_unknown_model(self, system: WholeSystem) -> None:
        """It says which there are."""
        ended = system.pms("rebuild", "weather")

        assert ended.status == 1
        assert "No read model 'weather'" in ended.said
