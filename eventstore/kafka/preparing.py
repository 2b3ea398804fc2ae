"""Preparing events for Kafka in a process of its own: reading, routing and encoding.

That is half of a relay's work. The other half, heading and producing, goes on beside it, where one
process alone would have one core at most. The process is a child on two pipes: an unsigned length
and that many bytes of `marshal` either way. It ends when its parent does, for then its input ends.
"""

import marshal
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BufferedReader
from typing import BinaryIO, NamedTuple, cast

import msgspec
import psycopg

from eventstore.collecting import rare_collections
from eventstore.connections import connect
from eventstore.failures import LogDamaged, LogUnavailable
from eventstore.kafka.outgoing import (
    POSITION,
    PreparedEvent,
    Row,
    read_rows,
    whole_commands,
)
from eventstore.kafka.topics import portfolio_in
from schemas.avro_codec import AvroEncoder
from schemas.codec import UnknownEventType

SWITCH_SECONDS = 0.005
NOWHERE = -1
"""No position of a log."""

PLAIN = 2
"""The form of `marshal` that does not look for objects it has written before: half the time."""

_LENGTH = struct.Struct(">Q")
PIPE_BYTES = 2**20
"""Room for a whole batch, so that it can be left there and the next one begun."""

_EVENT_TYPE = PreparedEvent._fields.index("event_type")
_PATIENCE_SECONDS = 5.0
_PROGRAM = (sys.executable, "-m", "eventstore.kafka.preparing")


class PreparerLost(Exception):
    """The process has ended; another one can be started."""


_TOLD: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (LogUnavailable, LogDamaged, UnknownEventType, msgspec.DecodeError)
}


class Batch(NamedTuple):
    """Consecutive events; unless they are whole, their last command goes on behind them."""

    events: Sequence[Row]
    is_whole: bool
    has_more: bool


def prepared(events: Sequence[Row], encoder: AvroEncoder) -> list[Row]:
    """Find each event's portfolio and write its value: makes prepared events of outgoing ones.

    Raises:
        UnknownEventType, msgspec.DecodeError: this build cannot read an event.
    """
    rows: list[Row] = []
    writers = {
        name: (*encoder.writer(name.decode()), portfolio_in(name.decode()))
        for name in {event[_EVENT_TYPE] for event in events}
    }
    for event in events:
        prefix, write, named = writers[event[_EVENT_TYPE]]
        body, fields = write(event[-1])
        rows.append((*event[:-1], named(fields), prefix + body))
    return rows


class Preparer:
    """The parent's side of one such process. Used by one thread at a time."""

    def __init__(self, conninfo: str, ids: Mapping[str, int], *, batch_events_max: int) -> None:
        self._process = subprocess.Popen(
            _PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=PIPE_BYTES
        )
        self._room = bytearray()
        # An address may hold a password, so it is no argument that others could see.
        self._tell((conninfo, dict(ids), batch_events_max))

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._input.close()
        self._output.close()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, after: int) -> None:
        """Have the next events behind a position prepared, to be taken later.

        Raises:
            PreparerLost: the process has ended.
        """
        self._tell(after)

    def take(self) -> Batch:
        """Take what was asked for last; no events at the head.

        Raises:
            LogUnavailable, LogDamaged: as reading the log does.
            UnknownEventType, msgspec.DecodeError: this build cannot read an event.
            PreparerLost: the process has ended.
        """
        answer = read_message(self._output, self._room)
        if answer is None:
            raise PreparerLost("the process that prepares events has ended")
        failure, told, is_whole, has_more = cast("tuple[str, object, bool, bool]", answer)
        if failure:
            raise _TOLD[failure](told)
        return Batch(cast("list[Row]", told), is_whole, has_more)

    def _tell(self, message: object) -> None:
        try:
            write_message(self._input, message)
        except BrokenPipeError as error:
            raise PreparerLost("the process that prepares events has ended") from error

    @property
    def _input(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdin)

    @property
    def _output(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdout)


def write_message(stream: BinaryIO, message: object) -> None:
    """Write one message, whole."""
    written = marshal.dumps(message, PLAIN)  # type: ignore[arg-type]
    stream.write(_LENGTH.pack(len(written)))
    stream.write(written)
    stream.flush()


def read_message(stream: BinaryIO, room: bytearray) -> object:
    """Read one message; None when the other side has ended.

    The room, which grows as it has to, is for the bytes of one message after the other: freeing
    as many each time makes all later memory dearer.
    """
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    (expected,) = _LENGTH.unpack(length)
    if expected > len(room):
        room.extend(bytes(expected - len(room)))
    with memoryview(room)[:expected] as message:
        filled = cast("BufferedReader", stream).readinto(message)
        # Both ends are this program: nobody else writes to these pipes.
        return marshal.loads(message) if filled == expected else None  # noqa: S302


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer a parent until its end, or until a failure, which it is told."""
    room = bytearray()
    opening = read_message(questions, room)
    if opening is None:
        return
    conninfo, ids, limit = cast("tuple[str, dict[str, int], int]", opening)
    encoder = AvroEncoder(ids)
    try:
        with (
            connect(conninfo, application_name="pms relay reader") as connection,
            ThreadPoolExecutor(1, "read ahead") as ahead,
        ):
            read = partial(read_rows, connection, limit=limit)
            expected = NOWHERE
            while (after := read_message(questions, room)) is not None:
                if after != expected:
                    coming = ahead.submit(read, after=cast("int", after))
                events = coming.result()
                whole, is_whole = whole_commands(events, limit=limit)
                has_more = len(events) == limit
                if has_more:
                    # The database works on the next ones while these are encoded.
                    expected = whole[-1][POSITION]
                    coming = ahead.submit(read, after=expected)
                else:
                    expected = NOWHERE
                write_message(answers, ("", prepared(whole, encoder), is_whole, has_more))
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        write_message(answers, (LogUnavailable.__name__, str(error), False, False))
    except tuple(_TOLD.values()) as error:
        kind = next(name for name, each in _TOLD.items() if isinstance(error, each))
        write_message(answers, (kind, str(error), False, False))


if __name__ == "__main__":
    # The thread that reads wants to run a moment at each arrival, not for long.
    sys.setswitchinterval(SWITCH_SECONDS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this.
    with rare_collections(), suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
