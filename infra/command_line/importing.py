"""`pms import …`: executions, prices and FX rates from CSV files, through the public HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import typer

from client import CallFailed, Client, NotAccepted, Refused
from client.portfolios import Deposit, Portfolio
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis
from gateway.access import Role
from infra.clock import now
from infra.command_line import import_options as options
from infra.command_line.console import console, print_result, progress_bar, say
from infra.command_line.options import DataOption
from infra.errors import OperatorError
from infra.importing import executions as executed
from infra.importing import prices as priced
from infra.importing import rates as rated
from infra.importing.access import Wanted, calling, speaks_for, token_of, write_address
from infra.importing.csv_rows import CsvFile, Fault
from infra.importing.executions import ExecutionTerms
from infra.importing.prices import InstrumentTerms
from infra.importing.report import ImportReport
from infra.settings import load_settings

FAULTS_SHOWN = 50

imports = typer.Typer(
    help="Import CSV files (plain or gzip). Running an import again imports nothing twice.",
    no_args_is_help=True,
)


@imports.command()
def executions(
    *,
    file: options.FileArgument,
    portfolio: options.PortfolioOption,
    column: options.ColumnOption = None,
    currency: options.RowCurrencyOption = None,
    with_time: options.WithTimeOption = False,
    tenant: options.TenantOption = None,
    source: options.SourceOption = "import",
    open_portfolio: options.OpenPortfolioOption = False,
    cost_basis: options.CostBasisOption = CostBasis.FIFO,
    opening_cash: options.OpeningCashOption = None,
    register_instruments: options.RegisterOption = False,
    calendar: options.CalendarOption = "XNYS",
    asset_class: options.AssetClassOption = AssetClass.EQUITY,
    sectors: options.SectorsOption = None,
    token: options.TokenOption = None,
    token_file: options.TokenFileOption = None,
    market_token: options.MarketTokenOption = None,
    url: options.UrlOption = None,
    batch: options.BatchOption = executed.BATCH_MAX,
    report: options.ReportOption = None,
    data: DataOption = None,
) -> None:
    """Import executions, each row an executed trade.

    Fields: date, instrument, amount (signed quantity) or side and quantity, price; consideration,
    fee, currency, external_id where there are such columns. Columns are found by their usual names;
    --column says otherwise. Rows that are refused or malformed are listed by line, the others are
    imported, and the status is 1: mend the file and run it again.

    Example: pms import executions fills.csv.gz --portfolio growth --currency USD --tenant acme
    """
    settings, terms = load_settings(data=data), ExecutionTerms(portfolio, currency, with_time)
    found = CsvFile(file)
    executed.choose_columns(found, _columns(column, executed.USUAL_COLUMNS), terms)
    say(f"{found.path.name}: {found.told()}")
    address = write_address(settings, url)
    opens = open_portfolio or opening_cash is not None
    roles = [Role.EXECUTION, *([Role.PORTFOLIO_MANAGER] if opens else [])]
    bearer = token_of(settings, Wanted(token, token_file, tenant, source, roles))
    with _operator_errors(), calling(address, bearer) as client:
        survey = executed.survey(found)
        if register_instruments:
            wanted = Wanted(
                market_token, None, MARKET_TENANT, None, [Role.MARKET_DATA], "--market-token"
            )
            instruments = InstrumentTerms(_needed(currency), calendar, asset_class.value)
            with calling(address, token_of(settings, wanted)) as market:
                _register(market, survey.instruments, instruments, sectors)
        if open_portfolio:
            _open(client, portfolio, _needed(currency), cost_basis, calendar)
        if opening_cash is not None and survey.earliest is not None:
            day = survey.earliest.isoformat()
            _deposit(client, portfolio, _needed(currency), opening_cash, day)
        with progress_bar("importing executions") as progress:
            done = executed.import_executions(
                client, found, terms, speaks_for(bearer), progress=progress, batch=batch
            )
    _finish(done, report)


@imports.command()
def prices(
    *,
    file: options.FileArgument,
    column: options.ColumnOption = None,
    calendar: options.CalendarOption = "XNYS",
    closes_at: options.ClosesAtOption = None,
    register_instruments: options.RegisterOption = False,
    currency: options.RegisterCurrencyOption = "USD",
    asset_class: options.AssetClassOption = AssetClass.EQUITY,
    sectors: options.SectorsOption = None,
    skip_malformed: options.SkipMalformedOption = False,
    token: options.TokenOption = None,
    token_file: options.TokenFileOption = None,
    url: options.UrlOption = None,
    report: options.ReportOption = None,
    data: DataOption = None,
) -> None:
    """Import prices in long form as closed sessions.

    Fields: date, instrument, close; open, high, low and volume where there are all four. Rows of
    one date are one session; sessions are closed in order, each from the close before to its own.
    Closes that look wrong are kept and listed as suspect (GET /v1/closes). A file with a malformed
    row is not begun with, unless you say --skip-malformed.

    Example: pms import prices daily.csv.gz --register-instruments --sectors constituents.csv
    """
    settings, terms = load_settings(data=data), priced.price_terms(calendar, closes_at)
    found = CsvFile(file)
    priced.choose_columns(found, _columns(column, priced.USUAL_COLUMNS))
    say(f"{found.path.name}: {found.told()}")
    address = write_address(settings, url)
    bearer = token_of(settings, Wanted(token, token_file, MARKET_TENANT, None, [Role.MARKET_DATA]))
    with progress_bar("reading prices") as progress:
        sessions = priced.read_sessions(found, progress)
    if sessions.faults and not skip_malformed:
        say("nothing was sent; mend these rows, or leave them out with --skip-malformed")
        _finish(ImportReport(sessions.faults), report)
    with _operator_errors(), calling(address, bearer) as client:
        if register_instruments:
            instruments = InstrumentTerms(currency, calendar, asset_class.value)
            _register(client, sessions.instruments, instruments, sectors)
        with progress_bar("closing sessions") as progress:
            done = priced.import_prices(
                client, found, sessions, terms, speaks_for(bearer), progress=progress
            )
    _finish(done, report)


@imports.command()
def rates(
    *,
    file: options.FileArgument,
    column: options.ColumnOption = None,
    base: options.BaseOption = "EUR",
    at: options.FixedAtOption = "16:00",
    zone: options.ZoneOption = "Europe/Berlin",
    currency: options.OnlyCurrencyOption = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    source: options.SourceOption = "import",
    token: options.TokenOption = None,
    token_file: options.TokenFileOption = None,
    url: options.UrlOption = None,
    report: options.ReportOption = None,
    data: DataOption = None,
) -> None:
    """Import FX rates in wide form: a row a day, a column a currency, as ECB publishes them.

    A cell is units of its currency for one of --base; an empty one and N/A are no rate. Rows may
    stand in any order, each is in force from --at of its day on. Columns of currencies that are no
    more are left out. Rows that are malformed are listed by line, the others are imported, and the
    status is 1.

    Example: pms import rates eurofxref-hist.csv.gz --since 2013-01-01 --currency USD --currency GBP
    """
    settings, terms = load_settings(data=data), rated.rate_terms(base, at, zone)
    found = CsvFile(file)
    left_out = rated.choose_currencies(found, _columns(column, rated.DATE_COLUMNS), base)
    if left_out:
        say(f"left out, for they are no currencies now: {', '.join(left_out)}")
    selection = rated.Selection(
        since.date() if since else date.min,
        until.date() if until else date.max,
        frozenset(currency or ()),
    )
    days = rated.read_rates(found, selection, base, now=now())
    address = write_address(settings, url)
    bearer = token_of(
        settings, Wanted(token, token_file, MARKET_TENANT, source, [Role.MARKET_DATA])
    )
    with (
        _operator_errors(),
        calling(address, bearer) as client,
        progress_bar("importing rates") as progress,
    ):
        done = rated.import_rates(client, days, terms, speaks_for(bearer), progress=progress)
    _finish(done, report)


def _columns(given: list[str] | None, usual: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Read FIELD=NAME options."""
    columns: dict[str, str] = {}
    for each in given or ():
        field, equals, name = each.partition("=")
        if not equals or field not in usual:
            fields = ", ".join(usual)
            raise OperatorError(f"--column {each!r}: give FIELD=NAME, with a field of {fields}.")
        columns[field] = name
    return columns


@contextmanager
def _operator_errors() -> Iterator[None]:
    """Turn what the API refuses as a whole into one sentence."""
    try:
        yield
    except (Refused, NotAccepted) as refused:
        raise OperatorError(f"Refused: {refused}") from refused
    except CallFailed as unanswered:
        raise OperatorError(
            f"No answer: {unanswered}. Is a PMS running there? Running the import again goes on "
            "where this one ended."
        ) from unanswered


def _register(
    market: Client, names: list[str], terms: InstrumentTerms, sectors: Path | None
) -> None:
    known = {} if sectors is None else priced.read_sectors(sectors)
    counts = priced.register_instruments(market, names, terms, known)
    say(
        f"instruments: {counts['registered']} registered, {counts['known']} known before, "
        f"{counts['without_sector']} without a sector"
    )


def _open(
    client: Client, portfolio: str, currency: str, cost_basis: CostBasis, calendar: str
) -> None:
    opening = Portfolio(
        portfolio=portfolio,
        base_currency=currency,
        cost_basis=cost_basis.value,
        calendar=calendar,
    )
    client.send(opening, key=f"import-open:{portfolio}").require()


def _deposit(client: Client, portfolio: str, currency: str, amount: str, day: str) -> None:
    try:
        number = Decimal(amount)
    except InvalidOperation as error:
        raise OperatorError(f"--opening-cash {amount!r} is not a number.") from error
    deposit = Deposit(portfolio=portfolio, amount=number, currency=currency, value_date=day)
    client.send(deposit, key=f"import-opening-cash:{portfolio}").require()


def _needed(currency: str | None) -> str:
    if currency is None:
        raise OperatorError("Opening a portfolio or registering instruments needs --currency.")
    return currency


def _finish(report: ImportReport, path: Path | None) -> None:
    """Tell every row that is not in the log, then the counts; status 1 if there is such a row.

    Raises:
        Exit: something was refused or malformed.
    """
    faults = sorted(report.faults)
    for fault in faults[:FAULTS_SHOWN]:
        console.print(_told(fault), style="red", markup=False, soft_wrap=True)
    if len(faults) > FAULTS_SHOWN:
        rest = f"and {len(faults) - FAULTS_SHOWN:,} more"
        console.print(f"{rest}; --report FILE lists all", style="red")
    if path is not None:
        lines = (json.dumps(fault._asdict()) + "\n" for fault in faults)
        path.write_text("".join(lines), encoding="utf-8")
    print_result(report.summary())
    if faults:
        raise typer.Exit(1)


def _told(fault: Fault) -> str:
    return f"line {fault.line}: {fault.code}: {fault.message}"
