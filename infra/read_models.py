"""The read models of a PMS, in one list: what is projected, rebuilt, verified and served."""

from __future__ import annotations

import psycopg

from eventstore.failures import LogBehindCheckpoint
from eventstore.log import Log
from infra.errors import OperatorError
from projections.cash.model import Cash
from projections.checkpoint import read_checkpoint
from projections.performance.model import PerformanceModel
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.trades.model import Trades

READ_MODELS: tuple[ReadModel, ...] = (Positions(), Cash(), Trades(), PerformanceModel())


def require_log_not_behind(log: Log, app_conninfo: str) -> None:
    """Refuse to serve a log that lacks events a read model has folded (a restored backup, say).

    Raises:
        OperatorError: a read model is ahead of the log, or was folded from another log.
    """
    with psycopg.connect(app_conninfo) as connection, connection.cursor() as cursor:
        for model in READ_MODELS:
            checkpoint = read_checkpoint(cursor, model.name)
            if checkpoint is None:
                continue
            if checkpoint.log_id != log.log_id:
                raise OperatorError(
                    f"The read model {model.name} was folded from another log "
                    f"({checkpoint.log_id}, this is {log.log_id}). Is this the right database? If "
                    f"it is: pms rebuild"
                )
            try:
                log.require_not_behind(checkpoint.position)
            except LogBehindCheckpoint as error:
                raise OperatorError(
                    f"The log lacks events that {model.name} has folded: {error}. Was an old "
                    "backup restored? Serving it would answer twice for the same positions."
                ) from error
