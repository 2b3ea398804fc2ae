"""Every command of the client is one of the interface, field by field, and it imports little."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client import (
    Accepted,
    Allotment,
    Breach,
    checking,
    controls,
    market,
    portfolios,
    queries,
    sources,
    trades,
)
from client.command import BatchableCommand, Command, Content, named_in
from tests.conftest import REPOSITORY

WRITE = json.loads((REPOSITORY / "tests/write_api/openapi.json").read_text(encoding="utf-8"))
READ = json.loads((REPOSITORY / "tests/read_api/openapi.json").read_text(encoding="utf-8"))
PARTS = {
    "BlockFill": "BlockFillBody",
    "Allocation": "AllocationBody",
    "Money": "MoneyBody",
    "NamedLot": "NamedLotBody",
    "Mark": "MarkBody",
    "Rate": "RateBody",
    "Close": "CloseBody",
    "Scope": "ScopeBody",
    "LimitTerms": "TermsBody",
}
PERMITTED = {"client", "httpx", "msgspec"}


def defined_in(*modules: Any, kind: type[Any]) -> list[type[Any]]:
    """List the structs of a kind that modules define."""
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, kind) and each.__module__ == module.__name__
    ]


MODULES = (trades, portfolios, market, controls)
COMMANDS = defined_in(*MODULES, kind=Command)
QUERIES = defined_in(queries, sources, kind=queries.Query)
ASKED = [each for each in QUERIES if hasattr(each, "address")]


def fields_of(kind: type[Any]) -> dict[str, bool]:
    """Say of each field of a struct whether it must be given."""
    return {each.name: each.required for each in msgspec.structs.fields(kind)}


def told_of(schema: dict[str, Any]) -> dict[str, bool]:
    """Say of each property of a schema whether it must be given."""
    required = schema.get("required", [])
    return {name: name in required for name in schema["properties"]}


def body_at(path: str) -> dict[str, Any]:
    """Find the schema of what is posted to an address."""
    content = WRITE["paths"][path]["post"]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = WRITE["components"]["schemas"][name]
    return schema


class TestCommands:
    """The client's structs are the interface's bodies."""

    @pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.__name__)
    def test_have_the_fields_of_the_interface(self, command: type[Command]) -> None:
        """No more, no less, and the same ones must be given.

        A field that an address got has to be added here too, else no client can send it.
        """
        in_address = named_in(command.address)
        fields = {
            name: needed for name, needed in fields_of(command).items() if name not in in_address
        }

        assert fields == told_of(body_at(command.address))
        assert len(set(in_address)) == len(in_address)
        if issubclass(command, BatchableCommand):
            assert command.batch_address in WRITE["paths"]

    def test_have_an_address_of_their_own(self) -> None:
        """No two say the same."""
        addresses = [each.address for each in COMMANDS]

        assert len(set(addresses)) == len(addresses) > 40

    @pytest.mark.parametrize(("part", "body"), PARTS.items())
    def test_have_the_parts_of_the_interface(self, part: str, body: str) -> None:
        """Fills, allocations, marks and the like."""
        (kind,) = (each for each in defined_in(*MODULES, kind=Content) if each.__name__ == part)

        assert fields_of(kind) == told_of(WRITE["components"]["schemas"][body])


class TestAnswers:
    """The client reads all that is told."""

    def test_have_the_fields_of_the_interface(self) -> None:
        """Of an acceptance, a breach, and an allotment of a block."""
        told = WRITE["components"]["schemas"]

        assert set(fields_of(Accepted)) == set(told["Acceptance"]["properties"]) - {"outcome"}
        assert set(fields_of(Breach)) == set(told["Breach"]["properties"])
        assert set(fields_of(checking.Checked)) == set(told["Checked"]["properties"])
        assert set(fields_of(Allotment)) == set(told["Allotment"]["properties"])


class TestQueries:
    """The client asks what can be asked, and reads what is answered."""

    @pytest.mark.parametrize("query", ASKED, ids=lambda each: each.__name__)
    def test_ask_what_can_be_asked(self, query: type[queries.Query[Any]]) -> None:
        """Each parameter is one of the address."""
        operation = READ["paths"][query.address]["get"]
        known = {each["name"] for each in operation["parameters"]}

        assert set(fields_of(query)) <= known

    def test_read_the_lines_of_the_drop_copy(self) -> None:
        """Each field of a line is one that the interface tells."""
        told = READ["components"]["schemas"]["Outcome"]["properties"]

        assert set(fields_of(sources.Outcome)) <= set(told)
        assert set(fields_of(sources.ControlTotal)) == set(
            READ["components"]["schemas"]["ControlTotal"]["properties"]
        )

    @pytest.mark.parametrize("query", ASKED, ids=lambda each: each.__name__)
    def test_read_what_is_answered(self, query: type[queries.Query[Any]]) -> None:
        """Each field of an item is one that the interface tells."""
        told = READ["components"]["schemas"][query.item.__name__]["properties"]

        assert set(fields_of(query.item)) <= set(told)


class TestThePackage:
    """A trading system can take it along."""

    def test_needs_little(self) -> None:
        """The standard library, httpx, msgspec and itself."""
        for path in Path(REPOSITORY / "client").glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Import(names=names):
                        modules = [each.name for each in names]
                    case ast.ImportFrom(module=str(module)):
                        modules = [module]
                    case _:
                        continue
                tops = {each.partition(".")[0] for each in modules}
                assert tops <= PERMITTED | sys.stdlib_module_names, f"{path.name}: {tops}"
