"""Striking a session: the rows of all portfolios without a flow at a time of day, together."""

from collections.abc import Mapping
from decimal import Decimal
from operator import mul

from domain.money import ZERO, canonical
from projections.performance.facts import Facts
from projections.performance.ledger import Asked
from projections.performance.restating import Store
from projections.performance.state import Portfolio, Quote, Session
from projections.performance.units import Units
from projections.performance.valuation import Day, Flows, Taken, Value, pair_names


def is_walked(units: Units, portfolio: Portfolio, facts: Facts) -> bool:
    """Say whether a session is not plain: cash flowed in it at a time of day, or books are behind.

    Those that never held again what they lack a split of are behind for ever, and need no walk.
    """
    if any(flow.at is not None for flow in facts.flows):
        return True
    quantities = portfolio.holdings.quantities
    return any(
        each.scale is None or each.instrument in quantities for each in units.behind(portfolio)
    )


def strike_plain(
    store: Store,
    session: Session,
    position: int,
    portfolios: list[tuple[Portfolio, Facts]],
    closes: Mapping[str, Quote],
) -> None:
    """Take the facts of portfolios in which no cash flowed at a time of day, and strike them.

    So nothing is valued within the session, and one set of quotes serves all.
    """
    prices = _plain_prices(store.units, session, closes)
    ends: list[Value | None] = []
    needed: set[str] = set()
    for portfolio, facts in portfolios:
        portfolio.holdings.merge(facts)
        end = plain_value(portfolio, prices)
        ends.append(end)
        if end is None:
            needed.update(portfolio.holdings.quantities)
            for currency in portfolio.currencies:
                if currency != portfolio.base_currency:
                    needed.update(pair_names(currency, portfolio.base_currency))
    missing = needed.difference(closes)
    quotes: Mapping[str, Quote | None] = closes
    if missing:
        found = store.prices.in_force(store.cursor, missing, session.ends_at)
        quotes = {**closes, **found}
        _find_executed(store, session, portfolios, missing.difference(found))
    for (portfolio, facts), end in zip(portfolios, ends, strict=True):
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
            worth=store.units.worth,
        )
        taken = Taken(end or day.valued(), Flows(day), [])
        current, portfolio.carried = day.concluded(taken)
        store.days.strike(portfolio, session, current, position)


def _plain_prices(
    units: Units, session: Session, closes: Mapping[str, Quote]
) -> dict[str, Decimal]:
    """Give the prices of this session itself, of names whose units no action ever changed."""
    return {
        name: quote.price
        for name, quote in closes.items()
        if quote.at >= session.starts_at and not units.is_changed(name)
    }


def plain_value(portfolio: Portfolio, prices: Mapping[str, Decimal]) -> Value | None:
    """Value what is held where all of it has such a price and is in the base currency.

    The same as `value` in a fifth of its time, for what nearly every session of most portfolios is.
    """
    base, holdings = portfolio.base_currency, portfolio.holdings
    if not portfolio.currencies <= {base}:
        return None
    try:
        held = map(prices.__getitem__, holdings.quantities)
        worth = sum(map(mul, holdings.quantities.values(), held), holdings.cash.get(base, ZERO))
    except KeyError:
        return None
    priced = canonical(worth)
    return Value(priced, priced, (), (), ())


def _find_executed(
    store: Store,
    session: Session,
    portfolios: list[tuple[Portfolio, Facts]],
    unmarked: set[str],
) -> None:
    """Find the last executed prices of positions without a mark, and keep them."""
    asked = [
        Asked(portfolio, name, session.day)
        for portfolio, _ in portfolios
        for name in unmarked & portfolio.holdings.quantities.keys()
        if name not in portfolio.executed
    ]
    if not asked:
        return
    quotes = store.ledger.last_executed(store.cursor, asked)
    for each, quote in zip(asked, quotes, strict=True):
        if quote is not None:
            each.portfolio.executed[each.instrument] = quote
