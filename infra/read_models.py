"""The read models of a PMS, in one list: what is projected, rebuilt, verified and served."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from eventstore.failures import LogBehindCheckpoint
from eventstore.log import Log
from eventstore.partitions import partitions
from infra.errors import OperatorError
from infra.settings import Settings
from projections.alerts.model import Alerts
from projections.building import found_counts
from projections.cash.model import Cash
from projections.checkpoint import read_checkpoint
from projections.controls.model import Controls
from projections.market.model import Market
from projections.outcomes.model import Outcomes
from projections.performance.model import PerformanceModel
from projections.positions.model import Positions
from projections.read_model import Placed, ReadModel
from projections.trades.model import Trades

READ_MODELS: tuple[ReadModel, ...] = (
    Positions(),
    PerformanceModel(),
    Market(),
    Alerts(),
    Cash(),
    Outcomes(),
    Trades(),
    Controls(),
)
"""In an order whose halves cost about the same to rebuild, PostgreSQL's part included.

Only the second half asks for captures, which are two fifths of a log: they are decoded once.
"""

PATIENT_MODELS = (PerformanceModel.name, Outcomes.name, Controls.name)
"""What no screen follows trade by trade: under load they fold a tenth of a second at once."""


def partition_count(settings: Settings) -> int:
    """Tell in how many partitions the projectors keep the read models."""
    return settings.partitions if settings.feed == "kafka" else 1


def models_named(names: Sequence[str]) -> tuple[ReadModel, ...]:
    """Give the read models of these names.

    Raises:
        OperatorError: there is none of a name.
    """
    known = {model.name: model for model in READ_MODELS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OperatorError(f"No read model {unknown[0]!r}; there are {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def chosen_models(settings: Settings) -> tuple[ReadModel, ...]:
    """Give the read models that a projector is to fold: all of them, or those the settings name.

    Raises:
        OperatorError: the settings name one that there is not.
    """
    if settings.projector_models is None:
        return READ_MODELS
    try:
        return models_named([name.strip() for name in settings.projector_models.split(",")])
    except OperatorError as error:
        raise OperatorError(f"PMS_PROJECTOR_MODELS is not right. {error}") from None


def live_schemas(settings: Settings) -> list[str]:
    """Name the tables that our projectors keep current: a schema for each model and partition."""
    return [
        Placed(model, partition).schema
        for model in chosen_models(settings)
        for partition in partitions(partition_count(settings))
    ]


def require_log_not_behind(log: Log, app_conninfo: str) -> None:
    """Refuse to serve a log that lacks events a read model has folded (a restored backup, say).

    Raises:
        OperatorError: a read model is ahead of the log, or was folded from another log.
    """
    with psycopg.connect(app_conninfo) as connection, connection.cursor() as cursor:
        counts = found_counts(connection, READ_MODELS)
        parts = [partition for count in counts for partition in partitions(count)]
        for schema in (Placed(model, each).schema for model in READ_MODELS for each in parts):
            checkpoint = read_checkpoint(cursor, schema)
            if checkpoint is None:
                continue
            if checkpoint.log_id != log.log_id:
                raise OperatorError(
                    f"The read model {schema} was folded from another log "
                    f"({checkpoint.log_id}, this is {log.log_id}). Is this the right database? If "
                    f"it is: pms rebuild"
                )
            try:
                log.require_not_behind(checkpoint.position)
            except LogBehindCheckpoint as error:
                raise OperatorError(
                    f"The log lacks events that {schema} has folded: {error}. Was an old "
                    "backup restored? Serving it would answer twice for the same positions."
                ) from error
