"""`pms bench risk`, small: it measures what it says, and twice the same."""

from benchmarks import risk
from infra.database import Database


def test_measures_many_portfolios_and_one_after_each_trade(log_database: Database) -> None:
    """Drawn closes, a few portfolios: every figure finite, all of them the same bits again."""
    result = risk.run(
        log_database.app_conninfo,
        prices=None,
        portfolios=30,
        positions=5,
        trades=5,
        progress=lambda _done, _total: None,
    )

    assert result["same_bits_again"] is True
    assert result["correlations"] == risk.NAMES**2
    assert isinstance(result["refresh_ms"], float)
    assert isinstance(result["seconds_1000_portfolios"], float)
