"""The bodies of a load: trades of one share, bought and sold in turn, a quarter proposed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from benchmarks.flood.generator import AT, NAME
from benchmarks.flood.system import CURRENCY, INSTRUMENTS, PORTFOLIOS


def single_body(number: int = 0, *, portfolio: str = PORTFOLIOS[0]) -> bytes:
    """One trade, named as its request."""
    return msgspec.json.encode(_trade(NAME.decode(), number, (portfolio,)))


def batch_body(commands: int, *, portfolios: Sequence[str] = PORTFOLIOS) -> bytes:
    """A batch of trades, named as its request and their place in it."""
    trades = [_trade(f"{NAME.decode()}-{index}", index, portfolios) for index in range(commands)]
    return msgspec.json.encode(trades)


def _trade(external_id: str, number: int, portfolios: Sequence[str]) -> dict[str, str]:
    places = list(itertools.product(portfolios, INSTRUMENTS))
    portfolio, instrument = places[number // 2 % len(places)]
    return {
        "portfolio": portfolio,
        "external_id": external_id,
        "intent": "proposed" if number % 8 in {0, 2} else "executed",
        "instrument": instrument,
        "side": "sell" if number % 2 else "buy",
        "quantity": "1",
        "price": "10",
        "currency": CURRENCY,
        "executed_at": AT.decode(),
    }
