"""The live view of the demo in a terminal; without one, a plain line now and then."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.demonstration.lag import Lag
from infra.demonstration.watching import PortfolioSeen, PositionSeen, Seen
from simulation.tally import Counts, Refusal

POSITIONS_SHOWN = 8
PORTFOLIOS_SHOWN = 12
REFUSALS_SHOWN = 4


class Moment(NamedTuple):
    """Everything the view shows at one moment; rates are per second over the last moments."""

    seconds: float
    counts: Counts
    trades_per_second: float
    lag: Lag
    events: int
    seen: Seen
    refusals: list[Refusal]


def plain_line(moment: Moment) -> str:
    """Say in one line how it goes."""
    counts = moment.counts
    return (
        f"{moment.seconds:.0f} s: {counts.accepted:,} trades accepted "
        f"({moment.trades_per_second:.0f}/s), {counts.refused} refused "
        f"({_by_accident(counts)}), {moment.events:,} events, lag p50 {_ms(moment.lag.p50_ms)}, "
        f"p95 {_ms(moment.lag.p95_ms)}"
    )


def screen(moment: Moment, addresses: dict[str, str]) -> RenderableType:
    """Draw the whole view."""
    return Group(
        _headline(moment),
        _portfolios(moment.seen.portfolios),
        _positions(moment.seen.positions),
        _refusals(moment.refusals),
        _addresses(addresses),
    )


def _headline(moment: Moment) -> RenderableType:
    counts, lag = moment.counts, moment.lag
    table = Table.grid(expand=True, padding=(0, 3))
    figures = {
        "trades/s": f"{moment.trades_per_second:,.0f}",
        "accepted": f"{counts.accepted:,}",
        "refused": f"{counts.refused:,}, {_by_accident(counts)}",
        "events": f"{moment.events:,}",
        "lag p50 / p95": f"{_ms(lag.p50_ms)} / {_ms(lag.p95_ms)}",
    }
    for _ in figures:
        table.add_column(justify="center")
    table.add_row(*(Text(figure, style="bold cyan") for figure in figures.values()))
    table.add_row(*(Text(name, style="dim") for name in figures))
    minutes, seconds = divmod(int(moment.seconds), 60)
    return Panel(table, title=f"PMS demo · {minutes}:{seconds:02} · Ctrl-C stops it")


def _portfolios(portfolios: list[PortfolioSeen]) -> RenderableType:
    table = Table(title="Portfolios (USD)", title_justify="left", expand=True, box=None)
    table.add_column("tenant")
    table.add_column("portfolio")
    table.add_column("cost basis")
    for name in ("positions", "cash", "realised", "unrealised", "last NAV", "return"):
        table.add_column(name, justify="right")
    for each in portfolios[:PORTFOLIOS_SHOWN]:
        table.add_row(
            each.tenant,
            each.portfolio,
            each.cost_basis,
            str(each.positions),
            _amount(each.cash),
            _signed(each.realised),
            _signed(each.unrealised),
            _amount(each.nav_struck),
            _percent(each.cumulative_return),
        )
    if len(portfolios) > PORTFOLIOS_SHOWN:
        table.caption = f"and {len(portfolios) - PORTFOLIOS_SHOWN} more"
    return table


def _positions(positions: list[PositionSeen]) -> RenderableType:
    table = Table(title="Top positions", title_justify="left", expand=True, box=None)
    table.add_column("portfolio")
    table.add_column("instrument")
    for name in ("quantity", "price", "value", "unrealised"):
        table.add_column(name, justify="right")
    table.add_column("currency")
    largest = sorted(positions, key=lambda each: abs(each.value or Decimal(0)), reverse=True)
    for each in largest[:POSITIONS_SHOWN]:
        table.add_row(
            each.portfolio,
            each.instrument,
            f"{each.quantity:,}",
            _amount(each.price),
            _amount(each.value),
            _signed(each.unrealised),
            each.currency,
        )
    return table


def _refusals(refusals: list[Refusal]) -> RenderableType:
    lines = Text("Latest refusals ", style="italic")
    for each in refusals[:REFUSALS_SHOWN]:
        meant = "on purpose" if each.is_intended else "BY ACCIDENT"
        lines.append(
            f"\n  {each.portfolio} {each.instrument}: {each.code} ({meant})",
            style="dim" if each.is_intended else "bold red",
        )
    return lines


def _addresses(addresses: dict[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, address in addresses.items():
        table.add_row(Text(name, style="bold"), Text(address, overflow="fold"))
    return table


def _by_accident(counts: Counts) -> str:
    if not counts.refused_by_accident:
        return "all on purpose"
    return f"{counts.refused_by_accident} by accident"


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:,.0f} ms"


def _amount(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:,.2f}"


def _signed(amount: Decimal | None) -> Text:
    if amount is None:
        return Text("-")
    return Text(f"{amount:+,.2f}", style="green" if amount >= 0 else "red")


def _percent(fraction: Decimal | None) -> Text:
    if fraction is None:
        return Text("-")
    return Text(f"{fraction * 100:+.2f} %", style="green" if fraction >= 0 else "red")
