"""The files of real data as arrays: what oracles count with, apart from every table of ours.

Sessions are those of the five-year file, ascending; a name that was not listed yet is NaN. Rates
are ECB's, units of a currency for one euro.
"""

import csv
import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pyarrow import csv as arrow_csv

Floats: TypeAlias = npt.NDArray[np.float64]

PRICES = "sp500_5yr_ohlcv_2013_2018.csv.gz"
SECTORS = "sp500_constituents_2018-04.csv"
FINANCIALS = "sp500_financials_2018-02.csv"
INDEX = "skfolio_sp500_index.csv.gz"
FACTORS = "skfolio_factors_dataset.csv.gz"
RATES = "eurofxref-hist.csv.gz"
DECIMALS = 4
"""So many decimals, at most, has a close of the five-year file."""


class Closes(NamedTuple):
    """Closes of names by session."""

    sessions: list[date]
    names: list[str]
    told: Floats

    def of(self, *names: str) -> Floats:
        """Give the closes of some names, a column each."""
        return self.told[:, [self.names.index(name) for name in names]]

    def of_whole_time(self) -> list[str]:
        """List the names that have every session."""
        return [name for name in self.names if not np.isnan(self.of(name)).any()]

    def at(self, session: date) -> int:
        """Give the place of a session."""
        return self.sessions.index(session)


def closes(folder: Path) -> Closes:
    """Read the five-year file."""
    options = arrow_csv.ConvertOptions(
        include_columns=["date", "symbol", "close"], column_types={"close": "float64"}
    )
    table = arrow_csv.read_csv(folder / PRICES, convert_options=options)
    days, day_of = np.unique(table["date"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    names, name_of = np.unique(table["symbol"].to_numpy().astype(str), return_inverse=True)
    told = np.full((len(days), len(names)), np.nan)
    told[day_of, name_of] = table["close"].to_numpy()
    return Closes([each.item() for each in days], [str(name) for name in names], told)


def decimal(price: float) -> Decimal:
    """Give a close as the file writes it."""
    return Decimal(round(price * 10**DECIMALS)).scaleb(-DECIMALS).normalize()


def sectors(folder: Path) -> dict[str, str]:
    """Read the sector of each name."""
    with (folder / SECTORS).open() as file:
        return {row["Symbol"]: row["Sector"] for row in csv.DictReader(file)}


def market_caps(folder: Path) -> dict[str, float]:
    """Read the market caps of 2018-02-08."""
    with (folder / FINANCIALS).open() as file:
        rows = [row for row in csv.DictReader(file) if row["Market Cap"]]
    return {row["Symbol"]: float(row["Market Cap"]) for row in rows}


def levels(folder: Path, name: str, sessions: list[date]) -> dict[str, dict[date, Decimal]]:
    """Read the columns of an index or factor file, of some sessions."""
    wanted = set(sessions)
    found: dict[str, dict[date, Decimal]] = {}
    with gzip.open(folder / name, "rt") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row.pop("Date"))
            if day in wanted:
                for column, level in row.items():
                    found.setdefault(column, {})[day] = Decimal(level)
    return found


def rates(folder: Path, currencies: list[str]) -> dict[date, dict[str, Decimal]]:
    """Read ECB's rates of some currencies; a day has those that it has, oldest first."""
    with gzip.open(folder / RATES, "rt") as file:
        rows = list(csv.DictReader(file))
    return {
        date.fromisoformat(row["Date"]): {
            each: Decimal(row[each]) for each in currencies if row[each] != "N/A"
        }
        for row in reversed(rows)
    }
