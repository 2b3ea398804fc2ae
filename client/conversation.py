"""The logic of the client, without input or output: what to send, and what to make of an answer.

Each method is a generator that yields requests and pauses and is sent what was heard; its return
value is the result. Whoever drives it carries requests over HTTP, in one world or the other, and
knows nothing else. The rules are these.

- A command keeps its key and its bytes however often it is sent, so it happens once at most.
- Turned away (429, 503 `not_attempted`) or not delivered: sent again, after the pause asked for.
- Lost, or answered by anything that does not say what became of it: asked for until the server
  knows, then sent again under its key, which makes the server compare contents and tell the first
  outcome. It is not enough to take what was asked for: the key might name somebody's other command.
- Patience over: `NothingAttempted`, or `OutcomeUnknown` if any attempt is in doubt.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec

from client.answers import Answer, ItemAnswer, batch_answers, outcome_in, single_answer
from client.checking import CheckedTrades
from client.command import BatchableCommand, Command
from client.failures import UNREADABLE, Problem, Refused
from client.naming import command_id
from client.patience import CommandPatience, Patience
from client.queries import ListQuery, Query, with_parameters
from client.seeing import Seen, seen
from client.sources import Outcome
from client.splitting import BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Batch, batches
from client.trades import Trade
from client.wire import JSON, NDJSON, Heard, Lost, Pause, Reply, Request, Told

PATIENCE_SECONDS = 30.0
TURNED_AWAY = 429
SERVER_FAILED = 500
AGAIN = frozenset({408, 425, TURNED_AWAY})
TELLS_NOTHING = frozenset({"not_attempted", "too_many_requests"})
NOT_THERE_YET = "position_not_reached"
IN_FLIGHT = "in_flight"
CHECK = "/v1/trades:check"
_OUTCOME = msgspec.json.Decoder(Outcome)

T = TypeVar("T")
ItemT = TypeVar("ItemT")
Steps = Generator[Request | Pause, Heard, T]
Stream = Generator[Request | Pause | Told[T], Heard, None]


class Terms(NamedTuple):
    """What a client is handed: its patience and limits, and where keys come from.

    `patience_seconds` is that of one command, batch or query. `new_key` names commands that are
    sent without a key.
    """

    patience_seconds: float = PATIENCE_SECONDS
    batch_items_max: int = BATCH_ITEMS_MAX
    batch_bytes_max: int = BATCH_BYTES_MAX
    new_key: Callable[[], str] | None = None


class Conversation:
    """What a client says and how it goes on, for a tenant, or for none where it is not known."""

    def __init__(self, terms: Terms, tenant: str | None, clock: Callable[[], float]) -> None:
        self._terms = terms
        self._tenant = tenant
        self._clock = clock

    def command(
        self, command: Command, key: str | None, version: int | None = None
    ) -> Steps[Answer]:
        """Send one command until it has an outcome; with `version`, if what it acts on has that."""
        name = self._key(key)
        request = _write(command.path(), command.body(), JSON, name)
        if version is not None:
            request = request._replace(headers={**request.headers, "If-Match": f'"{version}"'})
        sent: Steps[Answer] = self._decided(request, name, self._named(name), single_answer)
        return (yield from sent)

    def stream(self, commands: Iterable[BatchableCommand], key: str | None) -> Stream[ItemAnswer]:
        """Send commands batch by batch, and give the answers of each batch in the order sent."""
        name, terms = self._key(key), self._terms
        for batch in batches(
            commands, items_max=terms.batch_items_max, bytes_max=terms.batch_bytes_max
        ):
            yield Told((yield from self._batch(batch, batch.key(name))))

    def atomic(
        self, commands: Sequence[BatchableCommand], key: str | None
    ) -> Steps[list[ItemAnswer]]:
        """Send commands as one batch of which all are accepted or none."""
        name, terms = self._key(key), self._terms
        if not commands:
            return []
        first, *others = batches(
            commands, items_max=terms.batch_items_max, bytes_max=terms.batch_bytes_max
        )
        if others:
            raise ValueError("an atomic batch goes in one piece; this one is too long")
        return (yield from self._batch(first, name, "?atomic=true"))

    def check(self, trades: Sequence[Trade]) -> Steps[CheckedTrades]:
        """Ask what would become of trades."""
        content = b"[" + b",".join(each.body() for each in trades) + b"]"
        patience = Patience("check", self._terms.patience_seconds, self._clock)
        request = Request("POST", CHECK, content, {"Content-Type": JSON})
        reply = yield from self._told(request, patience)
        try:
            return msgspec.json.decode(reply.content, type=CheckedTrades)
        except UNREADABLE:
            raise Refused(Problem.of(reply)) from None

    def outcome(self, name: UUID) -> Steps[Answer | None]:
        """Ask what became of a command until that is known; None: it was never seen."""
        patience = Patience(str(name), self._terms.patience_seconds, self._clock)
        request = Request("GET", f"/v1/commands/{name}")
        while True:
            reply = yield from self._told(request, patience)
            match _told_state(reply):
                case "never_seen":
                    return None
                case "in_flight":
                    yield patience.pause("the command is still in flight")
                case _:
                    return single_answer(reply)

    def ask(self, query: Query[ItemT]) -> Steps[ItemT]:
        """Ask for one item."""
        document = yield from self.document(query.path())
        item: ItemT = msgspec.convert(document if query.is_whole else document["item"], query.item)
        return item

    def outcomes(self, source: str, after_position: int, wait_seconds: float) -> Stream[Outcome]:
        """Follow a drop copy: for ever, or, without waiting, until there is nothing more."""
        while True:
            asked = {"after_position": after_position, "wait_seconds": wait_seconds}
            path = with_parameters(f"/v1/sources/{quote(source, safe='')}/outcomes", asked)
            patience = Patience(path, self._terms.patience_seconds, self._clock)
            reply = yield from self._told(Request("GET", path, is_query=True), patience)
            try:
                lines = [_OUTCOME.decode(line) for line in reply.content.splitlines()]
            except UNREADABLE:
                raise Refused(Problem.of(reply)) from None
            yield Told(lines)
            if not lines and not wait_seconds:
                return
            if lines:
                after_position = lines[-1].position
            if reply.complete_position.isdigit():
                after_position = max(after_position, int(reply.complete_position))

    def pages(self, query: ListQuery[ItemT]) -> Stream[ItemT]:
        """Ask for all items of a list, page by page."""
        return self._pages(query.path, lambda items: msgspec.convert(items, list[query.item]))  # type: ignore[name-defined]

    def listed(self, path: str, parameters: dict[str, Any]) -> Stream[dict[str, Any]]:
        """Ask for all items of a list by its address, as they are sent."""
        return self._pages(
            lambda cursor: with_parameters(path, parameters | {"cursor": cursor}), lambda it: it
        )

    def document(self, path: str) -> Steps[dict[str, Any]]:
        """Ask for what is at an address of the read side, as it is sent."""
        patience = Patience(path, self._terms.patience_seconds, self._clock)
        reply = yield from self._told(Request("GET", path, is_query=True), patience)
        try:
            return msgspec.json.decode(reply.content, type=dict[str, Any])
        except UNREADABLE:
            raise Refused(Problem.of(reply)) from None

    def look(self, path: str, known: Seen | None, into: BinaryIO | None = None) -> Steps[Seen]:
        """Look at what is at an address of the read side, if it is not what is known."""
        patience = Patience(path, self._terms.patience_seconds, self._clock)
        headers = {} if known is None else {"If-None-Match": known.tag}
        request = Request("GET", path, headers=headers, is_query=True, into=into)
        return seen((yield from self._told(request, patience)), known)

    def _pages(
        self, page: Callable[[str | None], str], read: Callable[[list[Any]], list[T]]
    ) -> Stream[T]:
        cursor: str | None = None
        while True:
            document = yield from self.document(page(cursor))
            yield Told(read(document["items"]))
            cursor = document.get("next_cursor")
            if cursor is None:
                return

    def _key(self, key: str | None) -> str:
        if key is not None:
            return key
        if self._terms.new_key is None:
            raise ValueError("name the command by a key, or hand in `new_key`")
        return self._terms.new_key()

    def _named(self, key: str, item: int | None = None) -> UUID | None:
        return None if self._tenant is None else command_id(self._tenant, key, item)

    def _batch(self, batch: Batch, key: str, parameters: str = "") -> Steps[list[ItemAnswer]]:
        """Send a batch until each of its items has an outcome."""
        count = len(batch.bodies)
        request = _write(batch.address + parameters, b"\n".join(batch.bodies), NDJSON, key)
        last = self._named(key, count - 1)
        return (
            yield from self._decided(request, key, last, lambda reply: batch_answers(reply, count))
        )

    def _decided(
        self, request: Request, key: str, name: UUID | None, read: Callable[[Reply], T | None]
    ) -> Steps[T]:
        """Send a write again and again until `read` makes something of what is answered."""
        patience = CommandPatience(key, self._terms.patience_seconds, self._clock, name)
        while True:
            heard = yield request
            reason, retry_after, in_doubt = _weighed(heard)
            if isinstance(heard, Reply) and not reason:
                try:
                    told = read(heard)
                except UNREADABLE as error:
                    reason, in_doubt = f"the answer cannot be read: {error}", True
                except Refused as refused:
                    if patience.is_in_doubt:  # An earlier attempt may have been carried out.
                        raise patience.ended(str(refused)) from refused
                    raise
                else:
                    if told is not None:
                        return told
                    reason = "some items have no outcome yet"
            if in_doubt:
                patience.doubt(_located(heard))
                yield from self._known(patience)
            yield patience.pause(reason, retry_after)

    def _known(self, patience: CommandPatience) -> Steps[None]:
        """Ask for a command in doubt until the server knows of it: decided, or never seen."""
        if patience.command_id is None:
            return
        request = Request("GET", f"/v1/commands/{patience.command_id}")
        while True:
            heard = yield request
            reason, retry_after, _ = _weighed(heard)
            if not reason:
                assert isinstance(heard, Reply), "whatever is not one has a reason"
                if not heard.is_good or _told_state(heard) != IN_FLIGHT:
                    return
                reason = "the command is still in flight"
            yield patience.pause(reason, retry_after)

    def _told(self, request: Request, patience: Patience) -> Steps[Reply]:
        """Ask again and again until there is a good answer."""
        while True:
            heard = yield request
            reason, retry_after, _ = _weighed(heard)
            if not reason:
                assert isinstance(heard, Reply), "whatever is not one has a reason"
                if heard.is_good or heard.is_unchanged:
                    return heard
                problem = Problem.of(heard)
                if problem.code != NOT_THERE_YET:
                    raise Refused(problem)
                reason = problem.told()
            yield patience.pause(reason, retry_after)


def _weighed(heard: Heard) -> tuple[str, str, bool]:
    """Say why something is to be sent again, when, and whether it may have been acted on.

    The reason is empty for an answer that is final.
    """
    if isinstance(heard, Lost):
        return heard.reason, "", heard.was_sent
    assert isinstance(heard, Reply), "a request is answered or lost"
    if heard.status < SERVER_FAILED and heard.status not in AGAIN:
        return "", "", False
    problem = Problem.of(heard)
    is_turned_away = (
        heard.status == TURNED_AWAY or (problem.outcome or problem.code) in TELLS_NOTHING
    )
    return problem.told(), heard.retry_after, not is_turned_away


def _told_state(reply: Reply) -> str:
    """Read what is known of a command; empty where the answer does not say."""
    try:
        return outcome_in(reply.content).outcome
    except UNREADABLE:
        return ""


def _located(heard: Heard) -> UUID | None:
    """Read which command an answer says can be asked for."""
    name = heard.location.rpartition("/")[2] if isinstance(heard, Reply) else ""
    try:
        return UUID(name)
    except ValueError:
        return None


def _write(path: str, content: bytes, media_type: str, key: str) -> Request:
    headers = {"Content-Type": media_type, "Idempotency-Key": key}
    return Request("POST", path, content, headers)
