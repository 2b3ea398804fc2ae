"""The WebSocket at `/v1/live`: who may come in, what each client wishes, and who is cut off.

Close codes: 1000 after DISCONNECT, 1001 the process stops, 1002 an error of a dialect that ends
with one, 4401 no token in time, a wrong one or an expired one, 4408 too slow or not heard of, 4429
no place, for the reason `crowded` (the process), `too_many_wait` (for their token) or
`too_many_connections` (of the tenant).
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog
from starlette.types import Receive, Scope, Send

from gateway import access
from gateway.problem import Kind, Problem
from gateway.tokens import Principal, VerifyToken, bearer_token
from read_api.live.audience import Audience, Resumed
from read_api.live.client import Client
from read_api.live.destinations import Destination, Directory, Topic
from read_api.live.dialect import Connect, Dialect, Disconnect, Subscribe, Unsubscribe, Wish
from read_api.live.json_dialect import JsonDialect
from read_api.live.metrics import LiveMetrics
from read_api.live.places import Limits, Places
from read_api.live.stomp_dialect import PROTOCOL, StompDialect
from read_api.live.subscription import Subscription

SWEEP_SECONDS = 1.0
CLOSING_SECONDS_MAX = 2.0
"""How long one that is to go may take to hear why."""
ABORT = "pms.abort"
"""Under this name a server may give, in the scope's state, what ends a connection at once."""

SEND_TEXTS = "pms.send_texts"
"""Under this name it may give what sends several messages in one write."""

GONE, STOPPING, ERRED, UNAUTHENTICATED, STALLED, CROWDED = 1000, 1001, 1002, 4401, 4408, 4429


class Live:
    """Every client of this process."""

    def __init__(
        self,
        audience: Audience,
        directory: Directory,
        verify_token: VerifyToken,
        metrics: LiveMetrics,
        limits: Limits,
    ) -> None:
        self.audience = audience
        self._directory = directory
        self._verify_token = verify_token
        self._metrics = metrics
        self._limits = limits
        self._clients: set[Client] = set()
        self._places = Places(limits, metrics)
        self._is_closed = False
        self._logger = structlog.get_logger(__name__)

    @property
    def is_empty(self) -> bool:
        """Whether every client has gone."""
        return not self._clients

    def close(self) -> None:
        """Let nobody in any more, and send everybody away."""
        self._is_closed = True
        for client in self._clients:
            client.close(STOPPING, "stopping")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        await receive()  # websocket.connect
        offered = scope.get("subprotocols") or []
        dialect: Dialect = StompDialect() if PROTOCOL in offered else JsonDialect()
        await send({"type": "websocket.accept", "subprotocol": dialect.protocol})
        authorization = dict(scope["headers"]).get(b"authorization")
        lack = self._places.lack(is_known=self._is_known(authorization))
        if self._is_closed or lack is not None:
            code, reason = (STOPPING, "stopping") if self._is_closed else (CROWDED, lack)
            self._metrics.refused.labels(reason).inc()
            await send({"type": "websocket.close", "code": code, "reason": reason})
            return

        async def send_each(texts: Sequence[str]) -> None:
            for text in texts:
                await send({"type": "websocket.send", "text": text})

        send_texts = scope.get("state", {}).get(SEND_TEXTS, send_each)
        client = Client(dialect, send_texts, self.audience, self._metrics)
        connections = self._metrics.connections.labels(dialect.name)
        connections.inc()
        self._clients.add(client)
        self._places.enter()
        try:
            await self._converse(client, authorization, receive)
            if client.is_cut.is_set():
                scope.get("state", {}).get(ABORT, _leave)()
            elif client.closing is not None:
                code, reason = client.closing
                await send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            connections.dec()
            self._clients.discard(client)
            self._places.leave(None if client.principal is None else client.principal.tenant)
            for subscription in list(client.subscriptions.values()):
                self._end(client, subscription)

    def _is_known(self, authorization: bytes | None) -> bool:
        """Say whether the handshake says who comes."""
        with suppress(Problem):
            self._verify_token(bearer_token(authorization))
            return True
        return False

    async def _converse(
        self, client: Client, authorization: bytes | None, receive: Receive
    ) -> None:
        """Read and write until one of both ends, or the client is cut off."""
        tasks: set[asyncio.Future[object]] = {
            asyncio.ensure_future(self._read(client, authorization, receive)),
            asyncio.ensure_future(client.write()),
            asyncio.ensure_future(client.is_cut.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, client: Client, authorization: bytes | None, receive: Receive) -> None:
        if authorization is not None:
            with suppress(Problem):
                client.token = bearer_token(authorization)
            if client.dialect.name == JsonDialect.name:
                await self._meet(client, Connect(client.token))
        while (message := await receive())["type"] != "websocket.disconnect":
            client.heard_at = time.monotonic()
            data = message.get("text")
            await self._take(client, message["bytes"] if data is None else data)
            await client.room()

    async def _take(self, client: Client, data: str | bytes) -> None:
        """Meet what a message wishes for; what follows an error that ends all is not read."""
        try:
            for wish in client.dialect.wishes(data):
                if client.closing is None:
                    await self._meet(client, wish)
        except Problem as problem:
            self._refuse(client, problem, None)

    async def _meet(self, client: Client, wish: Wish) -> None:
        try:
            match wish:
                case Connect():
                    self._connect(client, wish)
                case Subscribe():
                    await self._subscribe(client, wish)
                case Unsubscribe():
                    self._unsubscribe(client, wish)
                case Disconnect():
                    client.close(GONE, "")
        except Problem as problem:
            self._refuse(client, problem, wish)
            return
        except Exception:
            # One question that fails is not the end of the others.
            self._logger.exception("live_wish_failed", wish=type(wish).__name__)
            failed = Problem("internal_error", "Try again; if it stays, report it with the time.")
            self._refuse(client, failed, wish)
            return
        if not isinstance(wish, Connect):
            done = client.dialect.done(wish)
            if done is not None:
                client.reply(done)

    def _connect(self, client: Client, wish: Connect) -> None:
        token = wish.token or client.token
        if token is None:
            raise Problem("token_missing", "Give a token: in the handshake or as you connect.")
        principal = self._verify_token(token)
        known = client.principal
        if known is not None and (known.tenant, known.subject) != (
            principal.tenant,
            principal.subject,
        ):
            raise Problem("token_invalid", "A new token is of the same tenant and subject.")
        if known is None:
            self._places.settle(principal.tenant)
        client.token, client.principal = token, principal
        is_json = client.dialect.name == JsonDialect.name
        client.tells_every = self._limits.heartbeat_seconds if is_json else wish.hears_every
        client.hears_every = None if is_json else wish.tells_every
        client.reply(client.dialect.connected(beats_every=client.tells_every))
        self._judge_anew(client, principal)

    def _judge_anew(self, client: Client, principal: Principal) -> None:
        """End the subscriptions that a new token does not permit, each with the reason."""
        for subscription in list(client.subscriptions.values()):
            if client.closing is not None:
                return  # An error is the last thing that is told in this dialect.
            try:
                _admit(principal, subscription.destination, subscription.topic)
            except Problem as problem:
                self._end(client, subscription)
                self._refuse(client, problem, Subscribe(subscription.name, subscription.where))

    async def _subscribe(self, client: Client, wish: Subscribe) -> None:
        principal = client.principal
        if principal is None:
            raise _not_connected()
        if wish.name in client.subscriptions:
            raise _refused("subscription_taken", "Use another id: this one is subscribed already.")
        if len(client.subscriptions) >= self._limits.subscriptions_max:
            raise _refused(
                "too_many_subscriptions",
                f"One connection has at most {self._limits.subscriptions_max}: leave some.",
            )
        destination, names = self._directory.find(wish.destination)
        topic = Topic(principal.tenant, names)
        _admit(principal, destination, topic)
        subscription = Subscription(wish.name, wish.destination, destination, topic, client.tell)
        client.subscriptions[wish.name] = subscription
        self._metrics.subscriptions.inc()
        resumed = None
        if wish.position is not None:
            resumed = Resumed(wish.position, wish.edition)
        try:
            await self.audience.join(subscription, resumed)
        except Exception:
            self._end(client, subscription)
            raise

    def _unsubscribe(self, client: Client, wish: Unsubscribe) -> None:
        subscription = client.subscriptions.get(wish.name)
        if subscription is None:
            raise _refused("subscription_unknown", "Nothing is subscribed under this id.")
        self._end(client, subscription)

    def _end(self, client: Client, subscription: Subscription) -> None:
        del client.subscriptions[subscription.name]
        client.forget(subscription)
        self.audience.leave(subscription)
        self._metrics.subscriptions.dec()

    @staticmethod
    def _refuse(client: Client, problem: Problem, wish: Wish | None) -> None:
        client.reply(client.dialect.error(problem, wish))
        if problem.code in {"token_missing", "token_invalid", "token_expired", "not_connected"}:
            client.close(UNAUTHENTICATED, problem.code)
        elif problem.code == "too_many_connections":
            client.close(CROWDED, problem.code)
        elif client.dialect.ends_with_error:
            client.close(ERRED, problem.code)

    async def sweep(self) -> None:
        """Look after every client once a second, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for client in list(self._clients):
                try:
                    self._look_after(client, now)
                except Exception:
                    # Nobody starts this anew, and the others are to be looked after too.
                    self._logger.exception("live_client_not_looked_after")

    def _look_after(self, client: Client, now: float) -> None:
        sending_since = client.sending_since
        if client.closing_since is not None:
            if now - client.closing_since > CLOSING_SECONDS_MAX:
                client.is_cut.set()
            return
        if sending_since is not None and now - sending_since > self._limits.stalled_seconds:
            client.close(STALLED, "stalled")
            client.is_cut.set()
            return
        if client.token is None or client.principal is None:
            if now - client.connected_at > self._limits.connect_seconds:
                self._refuse(client, _not_connected(), None)
            return
        try:
            self._verify_token(client.token)
        except Problem as problem:
            self._refuse(client, problem, None)
            return
        if sending_since is not None:
            client.relieve()
            return
        if client.hears_every is not None and now - client.heard_at > 2 * client.hears_every:
            client.close(STALLED, "not_heard")
            return
        # A second early: we look only once a second.
        beats_every = client.tells_every
        if beats_every is not None and now - client.sent_at >= beats_every - SWEEP_SECONDS:
            client.reply(client.dialect.heartbeat())


def _admit(principal: Principal, destination: Destination, topic: Topic) -> None:
    """Let pass who may have a topic.

    Raises:
        Problem: the roles or the source of the token do not permit it.
    """
    access.require(principal, *destination.actions)
    destination.admit(principal, topic)


def _leave() -> None:
    """Let the server end the connection when it can."""


def _not_connected() -> Problem:
    kind = Kind(401, "Not connected")
    return Problem("not_connected", "Give a token: in the handshake or as you connect.", kind=kind)


def _refused(code: str, detail: str) -> Problem:
    return Problem(code, detail, kind=Kind(400, "The subscription is refused"))
