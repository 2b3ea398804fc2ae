"""What threads do for the audience: they ask the database, and encode rows for all who get them.

Questions of one sitting are asked in one message, where each is one. What is to be asked again, and
all of a sitting of which one fails, is asked one by one.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple, TypeAlias

from projections.asking import Readable, Seen
from projections.reading import Reading, ReadingUnavailable, Sitting
from projections.together import Wanted
from read_api.live.changes import Encoded, encoded
from read_api.live.destinations import Rows, Told
from read_api.live.streams import Question, Stream

Answer: TypeAlias = tuple[Encoded, Seen]
"""Rows, and the tables they are of."""


class Asking(NamedTuple):
    """A stream, and what is to be asked for it."""

    stream: Stream
    question: Question

    def changes(self, readable: Readable) -> Told:
        """Ask what changed."""
        assert self.stream.changes is not None, "only such are asked"
        return self.stream.changes(readable, self.question.topics, self.question.since)


class Asker:
    """Asks on connections of the pool; thread-safe."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def answer(
        self, stream: Stream, question: Callable[[Readable], Told], *, is_of_one_snapshot: bool
    ) -> Answer:
        """Ask a question.

        Raises:
            ReadModelMissing: the model has no tables yet.
            ReadingUnavailable: the database cannot be asked now.
        """
        sitting = Sitting({})
        held = self._reading.held(sitting) if is_of_one_snapshot else nullcontext()
        with held:
            return self._answer(stream, question, sitting)

    def changes(self, wanted: Sequence[Asking]) -> list[Answer | Exception]:
        """Ask what changed, on one connection; what goes wrong with a question is its answer."""
        answers = self._together(wanted)
        alone = [each for each in wanted if each.stream not in answers]
        try:
            if alone:
                with self._reading.lent() as connection:
                    for each in alone:
                        sitting = Sitting({}, connection)
                        answers[each.stream] = self._changes(each, sitting)
        except ReadingUnavailable as error:
            for each in alone:
                answers.setdefault(each.stream, error)
        return [answers[each.stream] for each in wanted]

    def _changes(self, asking: Asking, sitting: Sitting) -> Answer | Exception:
        try:
            return self._answer(asking.stream, asking.changes, sitting)
        except Exception as error:  # noqa: BLE001 - whoever gets it judges it
            return error

    def _together(self, wanted: Sequence[Asking]) -> dict[Stream, Answer | Exception]:
        """Ask at once what is one question to one schema each; give those that have an answer."""
        asked = [
            (each.stream, changes, changes.question(each.question.topics, each.question.since))
            for each in wanted
            if isinstance(changes := each.stream.changes, Rows) and len(each.stream.schemas) == 1
        ]
        if not asked:
            return {}
        try:
            found = self._reading.together(
                [
                    Wanted(stream.schemas[0], question.rows, question.parameters)
                    for stream, _, question in asked
                ]
            )
        except ReadingUnavailable as error:
            return {stream: error for stream, _, _ in asked}
        answers: dict[Stream, Answer | Exception] = {}
        for (stream, changes, question), each in zip(asked, found, strict=True):
            if each is not None:
                try:
                    told = changes.told(question.changed(each.answered))
                    answers[stream] = encoded(told), {stream.schemas[0]: each.state}
                except Exception as error:  # noqa: BLE001 - whoever gets it judges it
                    answers[stream] = error
        return answers

    def _answer(
        self, stream: Stream, question: Callable[[Readable], Told], sitting: Sitting
    ) -> Answer:
        told = self._reading.answer(question, stream.partitions, sitting)
        return encoded(told), stream.own(sitting.seen if told.seen is None else told.seen)
