"""A TCP proxy before PostgreSQL that loses the answer to one COMMIT in a chosen way.

It understands just enough of the frontend/backend protocol (PostgreSQL documentation, "Message
Formats") to see where messages end: a first message without a type, then a type byte and a length.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

SYNC = b"S\0\0\0\4"
FATAL = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


class Loss(enum.Enum):
    """What happens to the next COMMIT."""

    BEFORE_THE_SERVER = enum.auto()
    """The line breaks before COMMIT reaches the server."""
    OF_THE_ANSWER = enum.auto()
    """The server commits, and the line breaks before its answer reaches the client."""
    WHILE_COMMIT_TRAVELS = enum.auto()
    """The client loses the line; COMMIT reaches the server when `let_commit_arrive` is called."""
    BY_A_FATAL_ANSWER = enum.auto()
    """The server commits, and the client is told that the server ended the session."""


class LosingProxy:
    """Forwards connections to a server of this machine; `lose_next_commit` arms it once."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._armed: Loss | None = None
        self._loss: Loss | None = None
        self._arrive = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.commits_lost = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._arrive.set()
        for opened in (self._listener, *self._sockets):
            close(opened)
        for thread in self._threads:
            thread.join(timeout=10)
            assert not thread.is_alive()

    def lose_next_commit(self, loss: Loss) -> None:
        """Lose the next COMMIT of any connection."""
        self._armed = loss

    def let_commit_arrive(self) -> None:
        """Hand the travelling COMMIT to the server."""
        self._arrive.set()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                answer_lost = threading.Event()
                self._start(self._forward_answers, server, client, answer_lost)
                self._start(self._forward_requests, client, server, answer_lost)

    def _forward_requests(
        self, client: socket.socket, server: socket.socket, answer_lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError, EOFError):
            server.sendall(read_untyped(client))
            while True:
                kind, message = read_message(client)
                if self._armed is not None and is_commit(kind, message):
                    message += read_until_sync(client)
                    self._loss = loss = self._armed
                    self._armed = None
                    self.commits_lost += 1
                    if loss is Loss.BEFORE_THE_SERVER:
                        break
                    answer_lost.set()
                    if loss is Loss.WHILE_COMMIT_TRAVELS:
                        close(client)
                        self._arrive.wait()
                server.sendall(kind + message)
        close(client)
        close(server)

    def _forward_answers(
        self, server: socket.socket, client: socket.socket, answer_lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, message = read_message(server)
                if answer_lost.is_set():
                    if kind == b"C" and message[4:] == b"COMMIT\0":
                        break
                    continue
                client.sendall(kind + message)
            if self._loss is Loss.BY_A_FATAL_ANSWER:
                client.sendall(b"E" + struct.pack(">i", 4 + len(FATAL)) + FATAL)
        close(client)
        close(server)


def is_commit(kind: bytes, message: bytes) -> bool:
    """Tell whether the log's COMMIT begins here: a statement of its own, parsed to be run."""
    return kind == b"P" and b"; COMMIT\0" in message


def read_until_sync(source: socket.socket) -> bytes:
    """Read what belongs to a statement: all up to where the client waits for answers."""
    read = b""
    while not read.endswith(SYNC):
        kind, message = read_message(source)
        read += kind + message
    return read


def read_exactly(source: socket.socket, size: int) -> bytes:
    """Read so many bytes, or raise EOFError."""
    received = b""
    while len(received) < size:
        part = source.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def read_untyped(source: socket.socket) -> bytes:
    """Read a connection's first message: a length that counts itself, then the rest."""
    length = read_exactly(source, 4)
    return length + read_exactly(source, int.from_bytes(length, "big") - 4)


def read_message(source: socket.socket) -> tuple[bytes, bytes]:
    """Read the type of a message and the message with its length."""
    return read_exactly(source, 1), read_untyped(source)


def close(opened: socket.socket) -> None:
    """Close in both directions, waking whoever waits on it."""
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
