"""The state that is asked about: a log in a data directory, and the read models folded from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.queries.furnishing import contest_days, furnished
from benchmarks.universe import Size, drawn_prices, file_prices, write_commands, write_universe
from eventstore.partitions import WHOLE
from eventstore.tables import create_log
from infra.child_processes import service_account
from infra.data_directory import DataDirectory
from infra.embedded_postgres import EmbeddedPostgres
from infra.read_models import READ_MODELS
from infra.rebuilding import processors, rebuild_shares, shares_of

TOLD = "universe.json"

Say = Callable[[str], None]
Watch = Callable[[str, int, int], None]


def prepare(
    data: DataDirectory, size: Size, *, prices_file: Path | None, say: Say, watch: Watch
) -> dict[str, Any]:
    """Make the state, unless the directory holds it already; tell what it is and what it took."""
    told = data.path / TOLD
    if told.exists():
        found: dict[str, Any] = json.loads(told.read_text())
        return found
    data.prepare(service_account())
    prices = drawn_prices(size) if prices_file is None else file_prices(prices_file, size)
    say(f"writing {size.trade_count:,} trades and {len(prices.days):,} sessions")
    with EmbeddedPostgres(data) as postgres:
        database = postgres.database
        create_log(database.owner_conninfo)
        began = time.perf_counter()
        write_universe(
            database.app_conninfo, size=size, prices=prices,
            progress=lambda done, total: watch("writing", done, total),
        )  # fmt: skip
        events = write_commands(database.app_conninfo, furnished(size, prices))
        written = time.perf_counter()
        say(f"folding {events:,} events")
        shares = shares_of(READ_MODELS, [WHOLE], processes=processors())
        rebuild_shares(shares, database.app_conninfo, watch, processes=processors())
        folded = time.perf_counter()
    result = {
        **size._asdict(),
        "instruments": len(prices.closes[0]),
        "names": list(prices.closes[0]),
        "sessions": len(prices.days),
        "contest_session": contest_days(prices)[-1].isoformat(),
        "events": events,
        "written_seconds": round(written - began, 1),
        "folded_seconds": round(folded - written, 1),
    }
    told.write_text(json.dumps(result))
    return result
