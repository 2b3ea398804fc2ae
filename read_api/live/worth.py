"""What a portfolio is worth, at which risk, in which sectors: asked anew when it may have changed.

These are the answers of the queries, in one row each. A mark moves all of them, so they are asked
at most once in a while, and never take more than a quarter of a thread's time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from domain.statistics.ex_ante import Convention
from domain.statistics.value_at_risk import WINDOW, Horizon
from gateway.access import Action
from projections.asking import HistoryTooLong, Readable, ask
from projections.performance import contributions, risk
from projections.touched import portfolios_touched
from read_api import contribution_shapes, risk_shapes
from read_api.live.destinations import Destination, Row, Told, Topic
from read_api.live.known import known_portfolio

MODEL = "performance"
RISK_PAUSE_SECONDS = 1.0
SECTORS_PAUSE_SECONDS = 5.0
BUSY_PART = 0.25

Ask = Callable[[Readable, str, str], object | None]


def worth_destinations() -> Sequence[Destination]:
    """Give them."""
    own = "portfolios/{portfolio}"
    return (
        Destination(
            f"{own}/risk",
            "NAV, exposures, value at risk and what belongs to it, under the key `risk`",
            MODEL,
            (Action.READ_PERFORMANCE,),
            _told("risk", _risk),
            touched=touched,
            pause_seconds=RISK_PAUSE_SECONDS,
            busy_part=BUSY_PART,
            is_known=known_portfolio,
        ),
        Destination(
            f"{own}/sectors",
            "Exposure, return and contribution by sector, under the key `sectors`",
            MODEL,
            (Action.READ_PERFORMANCE,),
            _told("sectors", _sectors),
            touched=touched,
            pause_seconds=SECTORS_PAUSE_SECONDS,
            busy_part=BUSY_PART,
            is_known=known_portfolio,
        ),
    )


def touched(readable: Readable, topics: Sequence[Topic], after: int) -> list[Topic]:
    """Name those that may be worth something else."""
    owners = [topic.owner for topic in topics]
    found = portfolios_touched(readable, owners, after=after, model=MODEL)
    return [Topic.of(tenant, portfolio) for tenant, portfolio in found]


def _told(key: str, of: Ask) -> Callable[[Readable, Sequence[Topic]], Told]:
    def tell(readable: Readable, topics: Sequence[Topic]) -> Told:
        standing = ask(readable, MODEL, "1", ())
        rows = []
        for topic in topics:
            try:
                value = of(readable, *topic.owner)
            except HistoryTooLong:
                value = None
            if value is not None:
                rows.append(Row(topic, key, standing.position, value))
        return Told(standing.position, standing.market_position, rows)

    return tell


def _risk(readable: Readable, tenant: str, portfolio: str) -> object | None:
    asked = risk.Asked(None, WINDOW, Convention(7, Horizon.SCALED))
    found: Any = risk.risk_of(readable, tenant=tenant, portfolio=portfolio, asked=asked)
    return None if found.row is None else risk_shapes.risk_shaped(found).item


def _sectors(readable: Readable, tenant: str, portfolio: str) -> object | None:
    found: Any = contributions.sectors_of(
        readable, tenant=tenant, portfolio=portfolio, since=None, until=None
    )
    return None if found.row is None else contribution_shapes.sectors_shaped(found.row)
