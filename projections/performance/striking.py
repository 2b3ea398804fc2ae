"""Striking a session: the rows of all portfolios without a flow at a time of day, together."""

from collections.abc import Mapping

from projections.performance.ledger import Asked
from projections.performance.restating import Store
from projections.performance.state import Facts, Portfolio, Quote, Session
from projections.performance.valuation import Day, pair_names


def strike_plain(
    store: Store,
    session: Session,
    position: int,
    portfolios: list[tuple[Portfolio, Facts]],
    closes: Mapping[str, Quote],
) -> None:
    """Strike portfolios in which no cash flowed at a time of day: one set of quotes for all."""
    needed: set[str] = set()
    for portfolio, facts in portfolios:
        needed.update(portfolio.holdings.quantities, facts.change.quantities)
        for currency in portfolio.currencies:
            if currency != portfolio.base_currency:
                needed.update(pair_names(currency, portfolio.base_currency))
    missing = needed - closes.keys()
    quotes: Mapping[str, Quote | None] = closes
    if missing:
        found = store.prices.in_force(store.cursor, missing, session.ends_at)
        quotes = {**closes, **found}
        _find_executed(store, session, portfolios, missing - found.keys())
    for portfolio, facts in portfolios:
        executed = portfolio.executed.get
        day = Day(
            subject=portfolio,
            session=session,
            before=portfolio.holdings,
            facts=facts,
            carried=portfolio.carried,
            quotes_at=lambda _: quotes,
            executed_before=executed,
            executed_after=executed,
        )
        current, portfolio.carried = day.close()
        store.days.strike(portfolio, session, current, position)


def _find_executed(
    store: Store,
    session: Session,
    portfolios: list[tuple[Portfolio, Facts]],
    unmarked: set[str],
) -> None:
    """Find the last executed prices of positions without a mark, and keep them."""
    asked = [
        Asked(portfolio, name, session.day)
        for portfolio, facts in portfolios
        for name in unmarked & (portfolio.holdings.quantities | facts.instruments).keys()
        if name not in portfolio.executed
    ]
    if not asked:
        return
    quotes = store.ledger.last_executed(store.cursor, asked)
    for each, quote in zip(asked, quotes, strict=True):
        if quote is not None:
            each.portfolio.executed[each.instrument] = quote
