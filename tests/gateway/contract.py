"""OpenAPI documents as contracts: a snapshot of each, and Schemathesis against the live server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

load_all_checks()

Operation = Any
Known = Mapping[str, Sequence[Any]]
NOTHING_KNOWN: Known = {}
UPDATE = "PMS_UPDATE_SNAPSHOTS"
# Left out: `positive_data_acceptance`. What the schema permits the world may still refuse (422),
# and a schema cannot say that two fields are needed between them.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.ignored_auth,
]


def assert_snapshot(application: FastAPI, path: Path) -> None:
    """Compare an application's document with the committed one; a difference is a decision.

    With PMS_UPDATE_SNAPSHOTS=1 the committed one is written anew.
    """
    document = json.loads(json.dumps(application.openapi()))
    if os.environ.get(UPDATE):
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    committed = json.loads(path.read_text(encoding="utf-8"))
    assert document == committed, f"{path.name} differs; if that is meant, run with {UPDATE}=1"


def assert_documented(application: FastAPI) -> None:
    """Check that every operation documents its errors in one form, and that every name leads on."""
    document = application.openapi()
    schemas = document["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named <= set(schemas), f"nothing is under the names {named - set(schemas)}"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            needed = {"500", "400"} | ({"401", "403"} if path.startswith("/v1/") else set())
            assert needed <= set(responses), f"{method} {path} documents {sorted(responses)}"
            for status, response in responses.items():
                assert response["description"], f"{method} {path} {status} says nothing"
                if int(status) >= 400:
                    assert set(response["content"]) == {"application/problem+json"}


def operations(snapshot: Path) -> list[Operation]:
    """List the operations of a committed document."""
    if not snapshot.exists():
        return []
    schema = schemathesis.openapi.from_path(str(snapshot))
    found: list[Any] = list(schema.get_all_operations())
    return [each.ok() for each in found]


def label(operation: Operation) -> str:
    """Name an operation in a test report."""
    return str(operation.label)


def assert_kept(
    operation: Operation,
    address: str,
    bearer: str,
    *,
    examples_max: int,
    known: Known = NOTHING_KNOWN,
) -> None:
    """Send generated requests to an operation and check each answer against the document.

    `known` are names that lead somewhere, by parameter or field: well-formed requests use them
    often, or they would never come behind the door. None of them waits long for a position that
    nobody has written.
    """
    _check(operation, address, bearer, GenerationMode.POSITIVE, examples_max, known)
    _check(operation, address, bearer, GenerationMode.NEGATIVE, examples_max, NOTHING_KNOWN)


def _check(
    operation: Operation,
    address: str,
    bearer: str,
    mode: GenerationMode,
    examples_max: int,
    known: Known,
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    @settings(
        max_examples=examples_max,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def keeps(case: schemathesis.Case[Any], data: st.DataObject) -> None:
        for part in (case.path_parameters, case.query, case.body):
            _make_known(part, known, data)
        # What is empty is not sent, so nothing is wrong with a request that has nothing else.
        assume(all(value not in (None, [], {}) for value in (case.query or {}).values()))
        if mode is GenerationMode.POSITIVE and "min_position" in (case.query or {}):
            case.query["wait_seconds"] = 0.01
        case.call_and_validate(
            base_url=address,
            headers={"Authorization": f"Bearer {bearer}"},
            checks=CHECKS,
            timeout=60,
        )

    keeps()


def _make_known(part: object, known: Known, data: st.DataObject) -> None:
    """Put names that lead somewhere into a part of a request, mostly."""
    if isinstance(part, list):
        for each in part:
            _make_known(each, known, data)
    if not isinstance(part, MutableMapping):
        return
    for name in sorted(part.keys() & known.keys()):
        if data.draw(st.integers(0, 3), label=f"whether {name} is known"):
            part[name] = data.draw(st.sampled_from(known[name]), label=name)
