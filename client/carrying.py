"""What both worlds share of carrying requests over httpx: reading answers, and naming losses."""

from typing import BinaryIO

import httpx

from client.naming import tenant_of
from client.wire import Lost, Reply, Request

ANSWER_SECONDS = 35.0
"""Longer than a server waits for a decision before it says that it does not know (30 s)."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def replied(response: httpx.Response, content: bytes | None = None) -> Reply:
    """Take from a response what matters; `content`, if its own went elsewhere."""
    headers = response.headers
    return Reply(
        response.status_code,
        response.content if content is None else content,
        retry_after=headers.get("retry-after", ""),
        location=headers.get("location", ""),
        complete_position=headers.get("complete-position", ""),
        media_type=headers.get("content-type", ""),
        tag=headers.get("etag", ""),
        position=headers.get("pms-position", ""),
        market_position=headers.get("pms-market-position", ""),
    )


def emptied(file: BinaryIO) -> BinaryIO:
    """Begin a file anew: an attempt before may have left a part in it."""
    file.seek(0)
    file.truncate()
    return file


def lost(error: httpx.HTTPError, request: Request) -> Lost:
    """Say what it means that there is no answer."""
    reason = f"{type(error).__name__} at {request.path.partition('?')[0]}: {error}"
    return Lost(reason, was_sent=not isinstance(error, _NOT_SENT))


def tenant_in(headers: httpx.Headers) -> str | None:
    """Read whose token a client sends."""
    return tenant_of(headers.get("authorization", ""))


def bearer(token: str) -> dict[str, str]:
    """Give the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
