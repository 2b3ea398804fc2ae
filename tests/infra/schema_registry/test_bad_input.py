"""What plain HTTP can send: the answer is Confluent's form of a refusal, never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.schema_registry.application import BODY_BYTES_MAX, MEDIA_TYPE
from tests.infra.schema_registry.serving import QUANTITY, record

DEEP = 100_000
NOT_SCHEMAS = (
    "",
    "not JSON",
    "3",
    "null",
    "true",
    '"strin"',
    "NaN",
    '{"type": "record", "name": "A"}',
    '{"type": "record", "name": "9A", "fields": []}',
    '{"type": "record", "name": 3, "fields": []}',
    '{"type": "record", "name": "A", "fields": [3]}',
    '{"type": "record", "name": "A", "fields": [{"name": "a", "type": "B"}]}',
    '{"type": "record", "name": "A", "fields": [{"name": "a", "type": "int", "default": "x"}]}',
    '{"type": "enum", "name": "E", "symbols": ["a", "a"]}',
    '{"type": "enum", "name": "E", "symbols": {"a": 1}}',
    '{"type": "fixed", "name": "F", "size": -1}',
    '{"type": {"type": {"type": "int"}}}',
    '{"type": "map"}',
    '{"type": "array", "items": null}',
    '["int", "int"]',
    '[["int"]]',
    "[" * DEEP,
    '{"type":"array","items":' * 1_000 + '"int"' + "}" * 1_000,
)
NOT_BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"3",
    b'"text"',
    b"\xff\xfe",
    b"{}",
    b'{"schema": 3}',
    b'{"schema": null}',
    b'{"schema": {"type": "string"}}',
    b'{"schema": "\\"int\\"", "references": 3}',
    b'{"schema": "\\"int\\"", "references": [{"name": "a", "subject": "a", "version": 1}]}',
    b'{"schema": "\\"int\\"", "schemaType": "PROTOBUF"}',
    b'{"schema": "\\"int\\"", "schemaType": 1}',
    b'{"schema": "\\"int\\"", "ruleSet": {"domainRules": [{"name": "encrypt"}]}}',
    b'{"schema": "\\ud800"}',
    b"[" * DEEP,
)


def assert_refused(answer: httpx.Response, code: int) -> None:
    """Check that an answer is the refusal expected, in the interface's form."""
    assert answer.status_code == int(str(code)[:3]), answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    document: dict[str, Any] = answer.json()
    assert document["error_code"] == code
    assert document["message"]


class TestABody:
    """What is sent with POST and PUT."""

    @pytest.mark.parametrize(
        "path", ["/subjects/s/versions", "/subjects/s", "/compatibility/subjects/s/versions"]
    )
    def test_that_holds_no_schema_is_refused(self, http: httpx.Client, path: str) -> None:
        """Broken JSON, other types, and what is not kept here; nothing is registered."""
        for body in NOT_BODIES:
            assert_refused(http.post(path, content=body), 422)
        for text in NOT_SCHEMAS:
            assert_refused(http.post(path, json={"schema": text}), 42201)

        assert http.get("/subjects").json() == []

    def test_that_is_too_large_is_refused(self, http: httpx.Client) -> None:
        """Announced or in chunks; just below the limit it is read."""
        large = b" " * (10 * 1024 * 1024)

        def in_chunks() -> Iterator[bytes]:
            for start in range(0, len(large), 65_536):
                yield large[start : start + 65_536]

        assert_refused(http.post("/subjects/s/versions", content=large), 413)
        assert_refused(http.post("/subjects/s/versions", content=in_chunks()), 413)
        assert_refused(http.put("/config", content=large), 413)
        sent = json.dumps({"schema": record(QUANTITY)})
        fitting = sent + " " * (BODY_BYTES_MAX - len(sent))
        assert http.post("/subjects/s/versions", content=fitting).status_code == 200

    def test_that_holds_no_level_is_refused(self, http: httpx.Client) -> None:
        """Or something beside it."""
        bodies: tuple[object, ...] = (
            {},
            {"compatibility": None},
            {"compatibility": 3},
            {"level": "FULL"},
            [],
        )
        for body in bodies:
            assert_refused(http.put("/config", json=body), 422)
        for level in ("", "SIDEWAYS", "FULL "):
            assert_refused(http.put("/config/s", json={"compatibility": level}), 42203)

        assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}


class TestAnAddress:
    """Subjects, versions and ids as they stand in the path."""

    @pytest.mark.parametrize("version", ["0", "-2", "2147483648", "1.0", "x", "²", "9" * 5_000])
    def test_with_no_version_is_refused(self, http: httpx.Client, version: str) -> None:
        """Whether or not the subject is there."""
        assert_refused(http.get(f"/subjects/s/versions/{version}"), 42202)
        body = {"schema": '"int"'}
        assert_refused(http.post(f"/compatibility/subjects/s/versions/{version}", json=body), 42202)

    @pytest.mark.parametrize("schema_id", ["0", "-1", "2147483647", "2147483648", "x", "0" * 5_000])
    def test_with_an_unknown_id_finds_nothing(self, http: httpx.Client, schema_id: str) -> None:
        """Whatever stands there."""
        for part in ("", "/schema", "/subjects", "/versions"):
            assert_refused(http.get(f"/schemas/ids/{schema_id}{part}"), 40403)

    @pytest.mark.parametrize("subject", ["%00", "a%00b", "%20", "%0A", "a" * 501, "%E2%80%AE"])
    def test_with_an_absurd_subject_is_refused(self, http: httpx.Client, subject: str) -> None:
        """Nothing of that name can be a topic or a record."""
        body = {"schema": '"int"'}

        assert_refused(http.post(f"/subjects/{subject}/versions", json=body), 42208)
        assert_refused(http.post(f"/subjects/{subject}", json=body), 42208)
        assert_refused(http.put(f"/config/{subject}", json={"compatibility": "FULL"}), 42208)
        assert_refused(http.get(f"/subjects/{subject}/versions"), 42208)

    @pytest.mark.parametrize("subject", ["ä", "a%25b", "a b", "'; DROP TABLE x", "a" * 500])
    def test_with_an_unusual_subject_is_kept(self, http: httpx.Client, subject: str) -> None:
        """As it was sent."""
        made = http.post(f"/subjects/{subject}/versions", json={"schema": '"int"'})

        assert made.json() == {"id": 1, "version": 1}
        assert http.get(f"/subjects/{subject}/versions/-1/schema").text == '"int"'

    def test_nobody_knows_is_not_found(self, http: httpx.Client) -> None:
        """Nor a method that an address does not take."""
        assert_refused(http.get("/"), 404)
        assert_refused(http.get("/subjects//versions"), 404)
        assert_refused(http.get("/subjects/a%2Fb/versions/1/2"), 404)
        assert_refused(http.put("/subjects"), 405)
        assert_refused(http.get("/subjects", params={"subjectPrefix": "a\0"}), 42208)


def test_probes_and_metrics_answer(http: httpx.Client) -> None:
    """As every process of ours answers; a request is counted under its route's name."""
    http.get("/subjects/anything/versions")

    assert http.get("/health/live").json()["status"] == "live"
    ready = http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    counted = 'pms_http_requests_total{method="GET",route="/subjects/{subject}/versions"'
    assert counted in http.get("/metrics").text
