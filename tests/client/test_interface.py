"""Every command of the client is one of the interface, field by field, and it imports little."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from client import (
    Accepted,
    Allotment,
    AsyncClient,
    Breach,
    Client,
    alerts,
    checking,
    contests,
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
    "AlertScope": "AlertScopeBody",
    "AlertStep": "AlertStepBody",
}
OF_METHODS = {
    "capture_trades": "stream",
    "register_instruments": "stream",
    "check_trades": "check",
    "tell_outcome": "outcome",
    "list_outcomes": "outcomes",
}
BY_ADDRESS = "asked by address: `document`, `items`, `look` and `save` give it as it is sent"
FOR_PROBES = {"live", "ready", "metrics"}
UNTYPED = {
    "explain_attribution", "explain_bridge", "explain_cash", "explain_contribution",
    "explain_performance", "explain_position", "explain_position_basis", "explain_realised",
    "explain_risk", "explain_risk_contributions", "explain_stress", "explain_struck_figures",
    "get_attribution", "get_block_history", "get_block_version", "get_bridge",
    "get_instrument_history", "get_instrument_version", "get_limit", "get_money_weighted_return",
    "get_performance_statistics", "get_portfolio", "get_portfolio_history",
    "get_portfolio_version", "get_position", "get_risk", "get_risk_backtest", "get_stress",
    "get_trade_history", "get_trade_version", "list_applied_actions", "list_benchmark_returns",
    "list_benchmarks", "list_breaches", "list_cash_ladders", "list_closes", "list_contributions",
    "list_declared_actions", "list_drawdowns", "list_exceptions", "list_held_corrections",
    "list_instruments", "list_last_marks", "list_limit_usage", "list_limits", "list_lots",
    "list_marks", "list_movements", "list_overrides", "list_performance",
    "list_performance_periods", "list_position_bases", "list_realised", "list_rebuilds",
    "list_receivables", "list_refusals", "list_risk_contributions", "list_risk_correlations",
    "list_sector_correlations", "list_sectors", "list_struck_figures", "list_tenant_sectors",
    "list_trades", "list_trading_states",
}  # fmt: skip
"""Operations of the read side that are `BY_ADDRESS`: analysts' tables, wide and often added to."""
PERMITTED = {"client", "httpx", "msgspec"}


def defined_in(*modules: Any, kind: type[Any]) -> list[type[Any]]:
    """List the structs of a kind that modules define."""
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, kind) and each.__module__ == module.__name__
    ]


MODULES = (trades, portfolios, market, controls, contests, alerts)
COMMANDS = defined_in(*MODULES, kind=Command)
ASKING = (queries, sources, contests, alerts)
QUERIES = defined_in(*ASKING, kind=queries.Query)
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


def operations() -> Iterator[tuple[str, str, str, str]]:
    """List what both interfaces can do: which side, the method, the address, the operation."""
    for side, document in (("write", WRITE), ("read", READ)):
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                yield side, method, path, operation["operationId"]


class TestOperations:
    """Whatever can be done or asked over HTTP has its way in the client."""

    def test_have_a_struct_or_a_method_or_are_named_here(self) -> None:
        """Each in exactly one place; no command is without a struct or a method."""
        typed = {("post", each.address) for each in COMMANDS}
        typed |= {("get", each.address) for each in ASKED}

        for side, method, path, name in operations():
            ways = [
                (method, path) in typed,
                name in OF_METHODS and hasattr(Client, OF_METHODS[name]),
                name in FOR_PROBES,
                side == "read" and name in UNTYPED,
            ]
            assert sum(ways) == 1, f"{name} ({method} {path}) is in {sum(ways)} places"

    def test_that_are_named_here_are_there(self) -> None:
        """A name that nothing has would hide a gap."""
        names = {name for _, _, _, name in operations()}

        assert names >= UNTYPED | FOR_PROBES | set(OF_METHODS)

    def test_that_are_untyped_are_reached(self) -> None:
        """By a method that takes any address."""
        named = re.findall(r"`(\w+)`", BY_ADDRESS)

        assert all(hasattr(world, name) for world in (Client, AsyncClient) for name in named)


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

    @pytest.mark.parametrize(
        "part",
        [
            each
            for each in defined_in(contests, alerts, kind=msgspec.Struct)
            if not issubclass(each, (Command, Content, queries.Query))
        ],
        ids=lambda each: each.__name__,
    )
    def test_read_all_of_contests_and_alerts(self, part: type[Any]) -> None:
        """Each part of an answer is read whole: no field less, none more."""
        assert set(fields_of(part)) == set(told_of(READ["components"]["schemas"][part.__name__]))


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
