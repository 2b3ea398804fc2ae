"""One model's turn at a batch: whatever is wrong with it must stop no other model."""

from typing import Any

import psycopg

from projections.batches import Batch, is_transient
from projections.gathering import send
from projections.standing import Standing


class FoldFailed(Exception):
    """One model's fold raised; the transaction of the whole group is rolled back."""

    def __init__(self, standing: Standing, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.standing = standing
        self.cause = cause


def fold_batch(standing: Standing, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    """Hand a model its events.

    Raises:
        FoldFailed: its fold raised, and not because of the database.
    """
    types = standing.model.event_types
    own = [decoded for decoded in batch.decoded if type(decoded.event) in types]
    if not own:
        return
    assert standing.fold is not None, "a live model has a fold"
    try:
        standing.fold.fold(cursor, own)
        send(cursor)
    except Exception as error:
        if is_transient(error):
            raise
        raise FoldFailed(standing, error) from error
