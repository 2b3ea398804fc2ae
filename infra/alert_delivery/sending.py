"""Sending one delivery: posted and signed, or mailed. Whoever gets it twice sees so by its name."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import smtplib
import socket
import ssl
import threading
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx

from domain.identity import derive
from infra.alert_delivery.channels import EmailChannel, MailServer, WebhookChannel
from projections.alert_deliveries import Delivery

SECONDS_MAX = 5.0
SIGNATURE, NAME = "PMS-Signature", "PMS-Delivery"


class NotDelivered(Exception):
    """It was not taken; the text says why, without any address or secret."""


def delivery_id(delivery: Delivery) -> UUID:
    """Name a delivery: the same whenever it is sent."""
    return derive("alert_delivery", delivery.tenant, delivery.channel, str(delivery.position))


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Sign a body: HMAC-SHA256 (RFC 2104) of the Unix time, a dot, and the body."""
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


def post(tls: ssl.SSLContext, channel: WebhookChannel, delivery: Delivery, *, at: datetime) -> None:
    """Post a delivery; any answer of 2xx takes it, whatever else it says.

    Raises:
        NotDelivered: it was answered otherwise, or not at all.
    """
    body = delivery.content.encode()
    headers = {
        "Content-Type": "application/json",
        NAME: str(delivery_id(delivery)),
        SIGNATURE: signature(channel.secret.get_secret_value(), body, at),
    }
    try:
        status = asyncio.run(_status(tls, str(channel.url), body, headers))
    except (httpx.HTTPError, TimeoutError) as error:
        raise NotDelivered(type(error).__name__) from None
    if not httpx.codes.is_success(status):
        raise NotDelivered(f"status {status}")


async def _status(tls: ssl.SSLContext, url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post, and give the status of the answer, all within the time there is.

    The timeouts of httpx are of single operations: one that sends a byte now and then meets them.
    """
    async with (
        asyncio.timeout(SECONDS_MAX),
        httpx.AsyncClient(verify=tls, timeout=SECONDS_MAX) as client,
        client.stream("POST", url, content=body, headers=headers) as answer,
    ):
        return answer.status_code


def mail(server: MailServer, channel: EmailChannel, delivery: Delivery) -> None:
    """Mail a delivery to all addresses of a channel.

    Raises:
        NotDelivered: the server did not take it.
    """
    message = EmailMessage()
    message["From"], message["To"] = server.sender, ", ".join(channel.to)
    message["Subject"] = subject_of(delivery)
    message["Message-ID"] = f"<{delivery_id(delivery)}@pms.alerts>"
    message.set_content(text_of(delivery))
    try:
        with _connected(server) as connection:
            if server.user is not None and server.password is not None:
                connection.login(server.user, server.password.get_secret_value())
            connection.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotDelivered(type(error).__name__) from None


class _Within:
    """What hangs up when all of a conversation has taken too long.

    The timeout of `smtplib` is of single operations: a server that sends a byte now and then meets
    it, and would hold one of few threads for ever.
    """

    sock: socket.socket | None

    def __init__(self, *given: Any, **named: Any) -> None:
        self._over = threading.Timer(SECONDS_MAX, self._hang_up)
        self._over.daemon = True
        self._over.start()
        super().__init__(*given, **named)

    def close(self) -> None:
        self._over.cancel()
        super().close()  # type: ignore[misc]

    def _hang_up(self) -> None:
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # Not that of TLS, which another thread may be reading from.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Plain(_Within, smtplib.SMTP):
    pass


class _Tls(_Within, smtplib.SMTP_SSL):
    pass


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.encryption == "tls":
        context = ssl.create_default_context()
        return _Tls(server.host, server.port, timeout=SECONDS_MAX, context=context)
    connection = _Plain(server.host, server.port, timeout=SECONDS_MAX)
    if server.encryption == "starttls":
        connection.starttls(context=ssl.create_default_context())
    return connection


def subject_of(delivery: Delivery) -> str:
    """Say in a line what happened to which alert."""
    told = json.loads(delivery.content)
    raised = told["raised"]
    level = told["told"].get("level", raised["level"])
    about = "/".join(raised["subject"].values()) or delivery.tenant
    return f"[{level}] {delivery.occurrence}: {raised['kind']} of {about} ({raised['alert_rule']})"


def text_of(delivery: Delivery) -> str:
    """Write what is known of it, a line each."""
    told = json.loads(delivery.content)
    raised = told["raised"]
    names = ("actual", "raise_above", "headroom", "clear_at", "currency", "since", "at", "alert")
    lines = [subject_of(delivery), ""]
    lines += [
        f"{name}: {raised[name]}"
        for name in (*names, "version", "calculation")
        if raised.get(name) is not None
    ]
    lines += [f"{each['contributor']}: {each['amount']}" for each in raised["contributors"]]
    lines += ["", f"log position: {delivery.position}", f"occurrence: {delivery.occurrence}"]
    return "\n".join(lines) + "\n"
