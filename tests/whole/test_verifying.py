"""`pms verify` names the first difference and fails; `pms rebuild` puts it right."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from client.market import Instrument
from client.portfolios import Portfolio
from client.queries import Positions
from client.trades import Trade
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
        instrument = Instrument(
            instrument="ACME", symbol="Acme", currency="USD",
            asset_class="equity", calendar="XNYS",
        )  # fmt: skip
        exchange.send(instrument, key="acme").require()
        writer = system.writer(TENANT, Role.PORTFOLIO_MANAGER, Role.EXECUTION, source="desk")
        writer.send(Portfolio(portfolio="growth", base_currency="USD"), key="open").require()
        trade = Trade(
            portfolio="growth", external_id="1", intent="executed",
            instrument="ACME", side="buy", quantity="3", price="10",
            currency="USD", trade_date="2024-01-02",
        )  # fmt: skip
        position = writer.send(trade, key="1").require().position
        reader = system.reader(TENANT)
        assert list(reader.pages(Positions(portfolio="growth", min_position=position)))
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
        for name in (
            "positions",
            "cash",
            "trades",
            "performance",
            "controls",
            "outcomes",
            "market",
            "alerts",
        ):
            assert f"{name}: " in ended.said

    def test_is_shown_and_held_up_only_while_it_runs(self, system: WholeSystem) -> None:
        """`pms rebuilds` lists the last of each; none of an ended one can be paused."""
        system.pms("rebuild", "cash", "--events-per-second", "1000000")
        shown = system.pms("rebuilds")
        refused = system.pms("rebuilds", "pause", "cash")

        assert shown.status == 0, shown.said
        line = next(each for each in shown.output.splitlines() if "cash" in each)
        assert "swapped" in line
        assert "1,000,000" in line
        assert refused.status == 1
        assert "No rebuild of cash is under way" in " ".join(refused.said.split())

    def test_refuses_an_unknown_model(self, system: WholeSystem) -> None:
        """It says which there are."""
        ended = system.pms("rebuild", "weather")

        assert ended.status == 1
        assert "No read model 'weather'" in ended.said
