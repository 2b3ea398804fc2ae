"""One client: its subscriptions, and the one writer that sends it what waits.

The socket's write is awaited, so what a slow client has not taken waits here: answers to its own
wishes, of which it may have `REPLIES_MAX` before no more are read, and per subscription a map of
newest rows, `WAITING_ROWS_MAX` in all. Messages are written when they are sent, never before.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.tokens import Principal
from read_api.live.audience import Audience
from read_api.live.dialect import Dialect
from read_api.live.metrics import LiveMetrics
from read_api.live.subscription import Subscription

REPLIES_MAX = 100
WAITING_ROWS_MAX = 20_000
"""What waits beyond for one that is stuck is dropped; it gets new snapshots when it takes again."""

TOGETHER_MAX = 64 * 1024
"""Texts are sent in one write up to so many characters, and one more."""

Send = Callable[[Sequence[str]], Awaitable[None]]


class Client:
    """What is known of a client, and what is to be sent to it."""

    def __init__(
        self, dialect: Dialect, send: Send, audience: Audience, metrics: LiveMetrics
    ) -> None:
        self.dialect = dialect
        self.token: str | None = None
        self.principal: Principal | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.tells_every: float | None = None
        """How often it must hear us, in seconds."""
        self.hears_every: float | None = None
        """How often we must hear it."""
        self.connected_at = self.heard_at = self.sent_at = time.monotonic()
        self.sending_since: float | None = None
        self.closing: tuple[int, str] | None = None
        self.closing_since: float | None = None
        self.is_cut = asyncio.Event()
        self._send = send
        self._audience = audience
        self._metrics = metrics
        self._replies: deque[str] = deque()
        self._waiting: dict[Subscription, None] = {}
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()

    def reply(self, text: str) -> None:
        """Send an answer before whatever waits."""
        self._replies.append(text)
        self._wake.set()

    def tell(self, subscription: Subscription) -> None:
        """Send what waits in a subscription."""
        self._waiting[subscription] = None
        self._wake.set()

    def forget(self, subscription: Subscription) -> None:
        """Send nothing more of a subscription."""
        self._waiting.pop(subscription, None)

    def close(self, code: int, reason: str) -> None:
        """End the connection, once the answers that wait are sent; the first reason stands."""
        if self.closing is None:
            self.closing = (code, reason)
            self.closing_since = time.monotonic()
            self._metrics.cut.labels(str(code)).inc()
            self._wake.set()

    def relieve(self) -> None:
        """Drop what waits in all subscriptions, if it is too much for one client."""
        subscriptions = self.subscriptions.values()
        if sum(each.waiting_rows for each in subscriptions) > WAITING_ROWS_MAX:
            for each in subscriptions:
                if each.waiting_rows:
                    each.fall_behind()

    async def room(self) -> None:
        """Wait until few enough answers wait to be sent."""
        while len(self._replies) >= REPLIES_MAX and self.closing is None:
            self._has_room.clear()
            await self._has_room.wait()

    async def write(self) -> None:
        """Send what waits, until the connection is to be closed."""
        sent = self._metrics.sent.labels(self.dialect.name)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while texts := self._ready() or await self._renewed():
                self.sending_since = time.monotonic()
                await self._send(texts)
                self.sending_since, self.sent_at = None, time.monotonic()
                sent.inc(len(texts))
            if self.closing is not None:
                return

    def _ready(self, *texts: str) -> list[str]:
        """Add what can be sent at once: each write costs its sender and its reader the most."""
        together = list(texts)
        size = sum(map(len, texts))
        while size < TOGETHER_MAX:
            text = self._next()
            if text is None:
                break
            together.append(text)
            size += len(text)
        return together

    def _next(self) -> str | None:
        if self._replies:
            self._has_room.set()
            return self._replies.popleft()
        while self._waiting and self.closing is None:
            subscription = next(iter(self._waiting))
            if subscription.is_behind:
                return None  # What is ready need not wait for an answer.
            del self._waiting[subscription]
            change = subscription.hand_over()
            if change is not None:
                return self.dialect.message(subscription, change)
        return None

    async def _renewed(self) -> list[str]:
        """Ask anew for one that is behind, as nothing is ready; give what can be sent then."""
        while self._waiting and self.closing is None:
            subscription = next(iter(self._waiting))
            del self._waiting[subscription]
            if subscription.is_behind:
                await self._audience.renew(subscription)
            change = subscription.hand_over()
            if change is not None:
                return self._ready(self.dialect.message(subscription, change))
        return self._ready()
