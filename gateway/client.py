"""The other end of the interfaces: how a trading system should send commands and ask queries.

Every command carries a key, so sending it again is safe: what was not attempted, not answered or
not known yet is sent again under the same key until it has an outcome or patience ends.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import httpx
import msgspec

from gateway.problem import RETRY_AFTER_SECONDS

PATIENCE_SECONDS = 30.0
OPEN_OUTCOMES = frozenset({"not_attempted", "unknown"})
_TRY_AGAIN = frozenset({429, 503, 504})
_BAD_REQUEST = 400
_NDJSON = "application/x-ndjson"
_JSON = "application/json"

Document = dict[str, Any]


class Unanswered(Exception):
    """Nobody answered, or not finally, before patience ended; what was sent may be written."""


class Reply(NamedTuple):
    """A final answer: its HTTP status and its JSON document, a problem's from 400 on."""

    status: int
    document: Document

    @property
    def is_accepted(self) -> bool:
        """Whether the command is durable in the log, or the query was answered."""
        return self.status < _BAD_REQUEST

    @property
    def code(self) -> str:
        """The problem's code; empty for an acceptance."""
        return str(self.document.get("code", ""))

    def told(self) -> str:
        """Say in one line what was answered."""
        return f"{self.status} {self.code}: {self.document.get('detail', '')}".strip()


class Refused(Exception):
    """An answer other than the one that had to come."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.told())
        self.reply = reply


class Caller:
    """Sends commands and queries through an HTTP client that carries address and token.

    Not for several threads at once. `wait` is called with the seconds before another attempt.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._patience_seconds = patience_seconds
        self._wait = wait

    def command(self, path: str, body: Document, *, key: str) -> Reply:
        """Send one command until it is answered for good.

        Raises:
            Unanswered: patience ended first.
        """
        return self._send(path, msgspec.json.encode(body), _JSON, key)

    def batch(self, path: str, items: Sequence[bytes], *, key: str) -> list[Document]:
        """Send JSON objects as one NDJSON batch until each has its outcome; one result per item.

        Raises:
            Unanswered: patience ended first.
            Refused: the batch as a whole was refused.
        """
        deadline = time.monotonic() + self._patience_seconds
        while True:
            reply = self._send(path, b"\n".join(items), _NDJSON, key)
            if not reply.is_accepted:
                raise Refused(reply)
            results: list[Document] = reply.document["results"]
            if not any(result["outcome"] in OPEN_OUTCOMES for result in results):
                return results
            self._pause(deadline, "some items were not attempted", RETRY_AFTER_SECONDS)

    def query(self, path: str, **parameters: object) -> Document:
        """Ask; parameters that are None are left out.

        Raises:
            Unanswered: patience ended first.
            Refused: the answer is a problem.
        """
        asked = {name: str(value) for name, value in parameters.items() if value is not None}
        reply = self._exchange(lambda: self._client.get(path, params=asked))
        if not reply.is_accepted:
            raise Refused(reply)
        return reply.document

    def items(self, path: str, **parameters: object) -> Iterator[Document]:
        """Ask for all pages of a list and give their items."""
        cursor = None
        while True:
            page = self.query(path, cursor=cursor, **parameters)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _send(self, path: str, content: bytes, media_type: str, key: str) -> Reply:
        headers = {"Content-Type": media_type, "Idempotency-Key": key}
        return self._exchange(lambda: self._client.post(path, content=content, headers=headers))

    def _exchange(self, ask: Callable[[], httpx.Response]) -> Reply:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                response = ask()
            except httpx.TransportError as error:
                self._pause(deadline, f"{type(error).__name__}: {error}", RETRY_AFTER_SECONDS / 5)
                continue
            reply = Reply(response.status_code, _document(response))
            if reply.status not in _TRY_AGAIN:
                return reply
            self._pause(deadline, reply.told(), _retry_after(response))

    def _pause(self, deadline: float, reason: str, seconds: float) -> None:
        if time.monotonic() + seconds > deadline:
            raise Unanswered(reason)
        self._wait(seconds)


def _retry_after(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdigit() else RETRY_AFTER_SECONDS


def _document(response: httpx.Response) -> Document:
    """Read the JSON object of an answer; what is none of ours is shown by its beginning."""
    try:
        document = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        document = {"code": "not_ours", "detail": response.text[:200]}
    return document
