"""Whose turn it is to fold: by where models stand, and by who is left behind for a while."""

import time
from uuid import UUID

from projections.cash.model import Cash
from projections.checkpoint import Checkpoint
from projections.pacing import PACES
from projections.standing import Standing
from projections.trades.model import Trades
from projections.turns import Turns

HEAD = 9
RATE, PATIENCE = PACES[1].rate, PACES[1].patience


def standing(model: Cash | Trades, position: int, *, level_at: float) -> Standing:
    """A live model."""
    made = Standing(model)
    made.begin(Checkpoint(position, 0, None, model.calculation_version, UUID(int=1)))
    made.level_at = level_at
    return made


def busy() -> Turns:
    """A projector that has passed many events, in which `cash` is patient."""
    turns = Turns([Cash.name])
    turns.pacing.passed(RATE)
    turns.pacing.look(1.0)
    return turns


def test_alone_all_that_stand_together_fold_together() -> None:
    """However lately they were level; the foremost first."""
    cash, trades = (standing(it, HEAD, level_at=time.monotonic()) for it in (Cash(), Trades()))
    turns = Turns([Cash.name])
    assert turns.groups([cash, trades]) == [[cash, trades]]
    behind = standing(Trades(), HEAD - 1, level_at=0.0)
    assert turns.groups([behind, cash]) == [[cash], [behind]]


def test_under_load_who_is_patient_is_left_where_it_stands() -> None:
    """For so long since it was level, and the projector wakes for it then."""
    now = time.monotonic()
    cash, trades = standing(Cash(), 5, level_at=now), standing(Trades(), HEAD, level_at=now)
    turns = busy()
    assert turns.groups([cash, trades]) == [[trades]]
    assert not turns.is_due(cash)
    assert 0 < turns.until_due([cash, trades], head=HEAD) <= PATIENCE
    cash.level_at = now - PATIENCE
    assert turns.groups([cash, trades]) == [[trades], [cash]]


def test_who_is_level_is_not_waited_for() -> None:
    """There is nothing for it to fold."""
    cash = standing(Cash(), HEAD, level_at=time.monotonic())
    assert busy().until_due([cash], head=HEAD) == float("inf")
