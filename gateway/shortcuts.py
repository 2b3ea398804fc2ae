"""The short way of a request whose address has no variable part: past the framework's layers.

FastAPI knows every address and documents it; its middleware, routing and exit stacks cost three
times what it takes to read a trade. Here such a request goes from the boundary to its endpoint,
with the same checks in the same coroutine. Whatever is not found here goes the long way.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.decoding import BodyFaulty

Serve = Callable[[Request], Awaitable[Response]]


class ShortWay(NamedTuple):
    """An endpoint and the template of its address, which is the address itself."""

    path: str
    serve: Serve


class Application(FastAPI):
    """A FastAPI application with short ways, behind the same middleware of ours as the others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._short: dict[tuple[str, str], ShortWay] = {}
        self._sockets: dict[str, ASGIApp] = {}

    def add_short_way(self, method: str, path: str, serve: Serve) -> None:
        """Serve an address directly, unless a part of it varies."""
        if "{" not in path:
            self._short[method, path] = ShortWay(path, serve)

    def add_socket(self, path: str, serve: ASGIApp) -> None:
        """Serve WebSockets at an address."""
        self._sockets[path] = serve

    def build_middleware_stack(self) -> ASGIApp:
        """Put what was added with `add_middleware` before both ways, and FastAPI's own before one.

        Its outermost layer would answer what escapes an endpoint in words of its own; that is what
        the boundary is for.
        """
        ours, self.user_middleware = self.user_middleware, []
        layers = super().build_middleware_stack()
        self.user_middleware = ours
        assert isinstance(layers, ServerErrorMiddleware), "FastAPI's outermost layer"
        app: ASGIApp = partial(self._part, layers.app)
        for layer, arguments, options in reversed(ours):
            app = layer(app, *arguments, **options)
        return app

    async def _part(self, long: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request on its short way if it has one; the boundary answers its problems."""
        if scope["type"] == "websocket" and scope["path"] in self._sockets:
            await self._sockets[scope["path"]](scope, receive, send)
            return
        way = None
        if scope["type"] == "http" and not scope.get("root_path"):
            way = self._short.get((scope["method"], scope["path"]))
        if way is None:
            await long(scope, receive, send)
            return
        assert isinstance(scope, dict), "ASGI servers hand in their scope as a dictionary"
        scope["route"] = way
        try:
            response = await way.serve(Request(scope, receive, send))
        except BodyFaulty as faulty:
            raise faulty.fault.problem() from None
        await response(scope, receive, send)
