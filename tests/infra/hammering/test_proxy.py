"""The proxy carries bytes faithfully, and breaks, refuses, holds and slows when told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from infra.hammering.proxy import Line, Proxy

PATIENCE_SECONDS = 10.0


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(65_536):
                connection.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def line(echo_port: int) -> Iterator[Line]:
    """A line to the echoing server."""
    with Proxy() as proxy:
        yield proxy.line(echo_port)


def connected(line: Line) -> socket.socket:
    """Open a connection through the line."""
    return socket.create_connection(("127.0.0.1", line.port), timeout=PATIENCE_SECONDS)


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send, and receive as much."""
    received = b""
    thread = threading.Thread(target=connection.sendall, args=(sent,))
    thread.start()
    while len(received) < len(sent):
        piece = connection.recv(65_536)
        if not piece:
            break
        received += piece
    thread.join()
    return received


def is_ended(connection: socket.socket) -> bool:
    """Say whether the other side has ended it."""
    try:
        connection.sendall(b"still there?")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


class TestALine:
    """What a line does with connections."""

    def test_carries_what_is_sent_both_ways(self, line: Line) -> None:
        """More than any buffer holds, and in order."""
        sent = bytes(range(256)) * 8_000

        with connected(line) as connection:
            assert exchange(connection, sent) == sent

    def test_breaks_every_connection_and_takes_new_ones(self, line: Line) -> None:
        """A cut."""
        with connected(line) as one, connected(line) as other:
            assert exchange(one, b"a") + exchange(other, b"b") == b"ab"

            line.cut()

            assert is_ended(one)
            assert is_ended(other)
        with connected(line) as fresh:
            assert exchange(fresh, b"again") == b"again"
        assert line.connections_broken == 4

    def test_turns_away_until_it_is_lifted(self, line: Line) -> None:
        """A server that cannot be reached for a while."""
        line.refuse()
        with connected(line) as turned_away:
            assert is_ended(turned_away)

        line.lift()

        with connected(line) as fresh:
            assert exchange(fresh, b"again") == b"again"

    def test_holds_bytes_back_until_it_is_lifted(self, line: Line) -> None:
        """Nothing is lost, only late."""
        with connected(line) as connection:
            assert exchange(connection, b"before") == b"before"
            line.hold()
            connection.sendall(b"held")
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)

            line.lift()

            connection.settimeout(PATIENCE_SECONDS)
            assert connection.recv(4) == b"held"

    def test_loses_answers_and_then_the_line(self, line: Line) -> None:
        """What is asked arrives; nobody goes on behind the gap."""
        with connected(line) as connection:
            assert exchange(connection, b"before") == b"before"
            line.deafen(b"COMMIT")
            assert exchange(connection, b"harmless") == b"harmless"
            connection.sendall(b"; COMMIT")
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)

            line.lift()

            connection.settimeout(PATIENCE_SECONDS)
            assert is_ended(connection)
        with connected(line) as fresh:
            assert exchange(fresh, b"again") == b"again"

    def test_slows_without_changing_anything(self, line: Line) -> None:
        """The order stays."""
        line.slow(0.01)

        with connected(line) as connection:
            assert exchange(connection, b"0123456789" * 10) == b"0123456789" * 10

    def test_ends_what_is_held_when_the_proxy_ends(self, echo_port: int) -> None:
        """Nobody waits for ever."""
        with Proxy() as proxy:
            line = proxy.line(echo_port)
            connection = connected(line)
            line.hold()
            connection.sendall(b"held")

        assert is_ended(connection)
        connection.close()

    def test_without_a_server_turns_everybody_away(self) -> None:
        """Its port is known before the server's is."""
        with Proxy() as proxy, connected(proxy.line(None)) as connection:
            assert is_ended(connection)
