"""Splitting a stream of commands into batches that the server takes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from client.command import BatchableCommand

BATCH_ITEMS_MAX = 5_000
BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Half of what a server takes unless it is told otherwise."""


class Batch(NamedTuple):
    """Commands that are sent together; `first` is the place of the first in the stream."""

    address: str
    first: int
    bodies: list[bytes]

    def key(self, key: str) -> str:
        """Give the batch's own key: the stream's, and for later ones where they begin."""
        return key if not self.first else f"{key}:{self.first}"


def batches(
    commands: Iterable[BatchableCommand], *, items_max: int, bytes_max: int
) -> Iterator[Batch]:
    """Split commands of one kind, read as they are needed; the same ones always alike.

    Raises:
        ValueError: the commands are of several kinds.
    """
    address, first, bodies, size = "", 0, list[bytes](), 0
    for command in commands:
        if address and command.batch_address != address:
            raise ValueError("a stream holds commands of one kind")
        address = command.batch_address
        body = command.body()
        if bodies and (len(bodies) == items_max or size + len(body) + 1 > bytes_max):
            yield Batch(address, first, bodies)
            first, bodies, size = first + len(bodies), [], 0
        bodies.append(body)
        size += len(body) + 1
    if bodies:
        yield Batch(address, first, bodies)
