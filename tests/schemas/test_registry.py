"""Our schemas in a registry: a real one on a database of the test's own."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from schemas.avro_codec import AvroDecoder, AvroEncoder
from schemas.avro_schemas import WIRE_TYPES, record_name, schema_text
from schemas.codec import encode
from schemas.registry import (
    RegistryUnavailable,
    SchemaNotFound,
    SchemaRefused,
    fetch_schema,
    register_schemas,
)
from tests.schemas.golden_samples import SAMPLES

TOPICS = ("desk.portfolios", "desk.market")
CAPTURED = "trade.captured.v1"
SUBJECT = "desk.market-pms.trade.v1.Captured"


class TestRegistering:
    """Every schema, under a subject for each topic."""

    def test_gives_the_id_of_every_type(self, registry: str) -> None:
        """The id names our text, to everybody; a second time it is the same."""
        ids = register_schemas(registry, TOPICS)

        assert set(ids) == set(WIRE_TYPES)
        assert len(set(ids.values())) == len(ids)
        assert all(fetch_schema(registry, ids[name]) == schema_text(name) for name in ids)
        assert register_schemas(registry, TOPICS) == ids

    def test_names_subjects_by_topic_and_record(self, registry: str) -> None:
        """TopicRecordNameStrategy; each must stay fully compatible for ever."""
        register_schemas(registry, TOPICS)

        with SchemaRegistryClient.new_client({"url": registry}) as client:
            subjects = client.get_subjects()
            levels = {client.get_compatibility(subject) for subject in subjects}

        assert set(subjects) == {
            f"{topic}-{record_name(name)}" for topic in TOPICS for name in WIRE_TYPES
        }
        assert levels == {"FULL_TRANSITIVE"}

    def test_is_refused_where_readers_would_be_blind(self, registry: str) -> None:
        """Another schema holds the subject; the refusal names it and says why."""
        other = {"type": "record", "name": "Captured", "namespace": "pms.trade.v1", "fields": []}
        with SchemaRegistryClient.new_client({"url": registry}) as client:
            client.register_schema(SUBJECT, Schema(json.dumps(other), "AVRO"))

        with pytest.raises(SchemaRefused, match="trade_id") as refused:
            register_schemas(registry, TOPICS)

        assert refused.value.subject == SUBJECT


class TestFetching:
    """A writer's schema, by the id in a value."""

    def test_lets_a_reader_that_registered_nothing_read(self, registry: str) -> None:
        """It asks for each schema it meets."""
        encoder = AvroEncoder(register_schemas(registry, TOPICS))
        decoder = AvroDecoder(lambda number: fetch_schema(registry, number), {})

        for name, samples in SAMPLES.items():
            for event in samples:
                assert decoder.decode(encoder.encode(name, encode(event))) == event

    def test_of_an_unknown_id_is_said(self, registry: str) -> None:
        """A value from another world."""
        with pytest.raises(SchemaNotFound, match="4711"):
            fetch_schema(registry, 4711)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that answers one thing to everything."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the names http.server calls

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class TestARegistryThatIsAway:
    """Told apart from a refusal: another try may succeed."""

    def test_is_unavailable_where_nobody_listens(self) -> None:
        """Both ways, without a retry of the client's own."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"

            with pytest.raises(RegistryUnavailable):
                register_schemas(url, TOPICS)
            with pytest.raises(RegistryUnavailable):
                fetch_schema(url, 1)

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (503, b'{"error_code":50003,"message":"away"}'),
            (502, b"<html>bad gateway</html>"),
            (401, b'{"error_code":401,"message":"who are you?"}'),
            (200, b"<html>hello</html>"),
            (200, b"{}"),
        ],
    )
    def test_is_unavailable_where_something_else_answers(self, status: int, body: bytes) -> None:
        """A proxy, a page, a registry in trouble: neither a refusal nor a missing schema."""
        with answering(status, body) as url:
            with pytest.raises(RegistryUnavailable):
                register_schemas(url, TOPICS)
            with pytest.raises(RegistryUnavailable):
                fetch_schema(url, 1)
