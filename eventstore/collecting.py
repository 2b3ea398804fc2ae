"""The garbage collector, kept out of the way of processes that hold a world of events."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector run rarely: events hold no cycles, and looking costs a third.

    A captured trade leaves none either, over HTTP alone or in a batch: `gc.collect` finds nothing
    after thousands of them.
    """
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
