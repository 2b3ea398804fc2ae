"""The house style as a machine: sizes, names, ambient effects, floats in the domain, docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = frozenset({
    "domain", "schemas", "eventstore", "commands", "projections", "gateway", "write_api",
    "read_api", "client", "simulation", "infra", "benchmarks", "tests",
})  # fmt: skip
AMBIENT_ALLOWED = frozenset({"infra", "benchmarks", "tests"})

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
LINE_LENGTH_MAX = 100

VAGUE_WORDS = frozenset({
    "util", "utils", "helper", "helpers", "manager", "managers", "misc", "stuff", "impl", "qty",
    "px",
})  # fmt: skip
# Vague alone and as the beginning of a class; honest with a word that says of what
# (`base_currency`, `common_days`).
VAGUE_ALONE = frozenset({"base", "common", "core"})
VAGUE_CLASS_BEGINNINGS = ("Base", "Common", "Core")
VAGUE_CLASS_ENDINGS = ("Service", "Impl", "Factory", "Manager", "Helper", "Util", "Utils")
# A portfolio manager is a profession.
HONEST_WORDS = re.compile(r"portfolio_?manager", re.IGNORECASE)
# What a checker is told on a line is not part of the line, as ruff sees it too.
PRAGMA = re.compile(r"\s*# (?:noqa|type: ignore|fmt:).*$")
AMBIENT_CALLS = frozenset({
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time",
    "time.time_ns", "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1", "os.environ", "os.getenv",
    "os.urandom",
})  # fmt: skip
AMBIENT_MODULES = frozenset({"random", "secrets"})


@dataclass(frozen=True)
class Source:
    """One Python file of the repository: its path from the root, text and syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top-level folder the file lies in."""
        return self.path.parts[0]

    def at(self, line: int, message: str) -> str:
        """Name a place in the file the way editors understand it."""
        return f"{self.path}:{line}: {message}"


def source_of(path: str, text: str) -> Source:
    """Parse one file's text."""
    return Source(path=Path(path), text=text, tree=ast.parse(text))


@cache
def sources() -> tuple[Source, ...]:
    """Read every Python file of ours that is tracked or new (ignored files are not ours)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        names = sorted(set(listed.stdout.splitlines()))
    else:  # an exported archive has no git: take the packages as they lie there
        found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
        names = sorted(str(path.relative_to(ROOT)) for path in found)
    ours = [name for name in names if Path(name).parts[0] in PACKAGES and (ROOT / name).is_file()]
    return tuple(source_of(name, (ROOT / name).read_text(encoding="utf-8")) for name in ours)


def dotted(node: ast.expr) -> str:
    """Spell `a.b.c` of an attribute chain; empty when it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def words(name: str) -> set[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def is_vague(name: str) -> bool:
    """Tell whether a name contains a word that says nothing, or an abbreviation we spell out."""
    return bool(words(HONEST_WORDS.sub("", name)) & VAGUE_WORDS)


def long_functions(source: Source) -> Iterator[str]:
    """Find functions over the limit, docstring and decorators included."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield source.at(node.lineno, f"function {node.name} has {lines} lines")


def long_files(source: Source) -> Iterator[str]:
    """Find files over the limit."""
    count = len(source.text.splitlines())
    if count > FILE_LINES_MAX:
        yield source.at(count, f"file has {count} lines")


def long_lines(source: Source) -> Iterator[str]:
    """Find lines over the limit."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        length = len(PRAGMA.sub("", line))
        if length > LINE_LENGTH_MAX:
            yield source.at(number, f"line has {length} characters")


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """List every name the file gives: classes, functions, arguments, assigned variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id


def vague_names(source: Source) -> Iterator[str]:
    """Find names that say nothing: of files and folders, classes, functions, variables."""
    for part in (*source.path.parts[:-1], source.path.stem):
        if is_vague(part) or part in VAGUE_ALONE:
            yield source.at(1, f"path part {part!r} is vague")
    for line, name in defined_names(source.tree):
        if is_vague(name):
            yield source.at(line, f"name {name!r} is vague or abbreviated")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and (
            node.name.endswith(VAGUE_CLASS_ENDINGS) or node.name.startswith(VAGUE_CLASS_BEGINNINGS)
        ):
            yield source.at(node.lineno, f"class {node.name} begins or ends in a vague word")


def ambient_effects(source: Source) -> Iterator[str]:
    """Find the wall clock, the environment, random ids and randomness outside their homes."""
    if source.package in AMBIENT_ALLOWED:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute() | ast.Name():
                spelled = dotted(node)
                if spelled.removeprefix("datetime.") in AMBIENT_CALLS or spelled in AMBIENT_CALLS:
                    yield source.at(node.lineno, f"{spelled} belongs to infra")
            case ast.Import(names=names):
                for alias in names:
                    if alias.name in AMBIENT_MODULES and source.package != "simulation":
                        yield source.at(node.lineno, f"module {alias.name} belongs to infra")
            case ast.ImportFrom(module=module) if module in AMBIENT_MODULES:
                if source.package != "simulation":
                    yield source.at(node.lineno, f"module {module} belongs to infra")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="random"), attr=attribute)):
                if attribute != "Random":  # a generator made from a seed is an argument's value
                    yield source.at(node.lineno, f"random.{attribute} has no seed of ours")


def domain_floats(source: Source) -> Iterator[str]:
    """Find floating point in the domain, outside its statistics modules."""
    if source.package != "domain" or "statistics" in source.path.parts:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=float() as number):
                yield source.at(node.lineno, f"float literal {number}")
            case ast.Name(id="float"):
                yield source.at(node.lineno, "the type float")
            case (
                ast.Import(names=[ast.alias(name="math" | "numpy" | "pyxirr" as name)])
                | ast.ImportFrom(module="math" | "numpy" | "pyxirr" as name)
            ):
                yield source.at(node.lineno, f"module {name} computes in floats")


def walked_keys(source: Source) -> Iterator[str]:
    """Find sets that keys are taken from: that walks all of them, where `difference` looks up."""
    if source.package == "tests":
        return
    for node in ast.walk(source.tree):
        match node:
            case (
                ast.BinOp(op=ast.Sub(), right=ast.Call(func=ast.Attribute(attr="keys")))
                | ast.AugAssign(op=ast.Sub(), value=ast.Call(func=ast.Attribute(attr="keys")))
            ):
                yield source.at(node.lineno, "say .difference(…) of the mapping")


def without_docstring(source: Source) -> Iterator[str]:
    """Find public modules, classes and functions, and tests, that say nothing of themselves."""
    if not ast.get_docstring(source.tree):
        yield source.at(1, "module has no docstring")
    yield from _undocumented(source, source.tree.body)


def _undocumented(source: Source, body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        overload = any(dotted(decorator) in {"overload", "typing.overload", "override"}
                       for decorator in node.decorator_list)  # fmt: skip
        if node.name.startswith("_") or overload:
            continue
        if not ast.get_docstring(node):
            yield source.at(node.lineno, f"{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node.body)


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (
    long_functions, long_files, long_lines, vague_names, ambient_effects, domain_floats,
    walked_keys, without_docstring,
)  # fmt: skip


def rule_name(rule: Callable[[Source], Iterator[str]]) -> str:
    """Name a rule in the test's report."""
    return rule.__name__


class TestTheRepository:
    """Every file of ours obeys every rule."""

    @pytest.mark.parametrize("rule", RULES, ids=rule_name)
    def test_obeys(self, rule: Callable[[Source], Iterator[str]]) -> None:
        """No file breaks the rule."""
        findings = [finding for source in sources() for finding in rule(source)]

        assert not findings, "\n" + "\n".join(findings)

    def test_is_really_read(self) -> None:
        """The rules saw the packages; an empty list would obey everything."""
        assert {source.package for source in sources()} >= PACKAGES

    def test_holds_no_package_index_address_in_its_lock(self) -> None:
        """The lock pins names and hashes only, so it installs from any index."""
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

        assert "://" not in lock
        assert "--index" not in lock
        assert "--find-links" not in lock

    def test_pins_every_package_with_hashes(self) -> None:
        """Each requirement of the lock names one exact version and at least one hash."""
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE))
        loose = [entry.splitlines()[0] for entry in entries
                 if "==" not in entry.splitlines()[0] or "--hash=sha256:" not in entry]  # fmt: skip

        assert len(entries) > 40
        assert not loose


DOCUMENTED = '"""A module."""\n'
LONG_FUNCTION = "def f() -> None:\n" + "    x = 1\n" * FUNCTION_LINES_MAX

BREAKING: tuple[tuple[Callable[[Source], Iterator[str]], str, str], ...] = (
    (long_functions, "domain/a.py", LONG_FUNCTION),
    (long_files, "domain/a.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
    (long_lines, "domain/a.py", f"x = '{'y' * LINE_LENGTH_MAX}'\n"),
    (vague_names, "domain/helpers.py", DOCUMENTED),
    (vague_names, "domain/base.py", DOCUMENTED),
    (vague_names, "domain/a.py", "class BaseOrder:\n    pass\n"),
    (vague_names, "domain/a.py", "class OrderManager:\n    pass\n"),
    (vague_names, "domain/a.py", "class OrderService:\n    pass\n"),
    (vague_names, "domain/a.py", "order_qty = 1\n"),
    (vague_names, "domain/a.py", "def f(px: int) -> None:\n    pass\n"),
    (ambient_effects, "commands/a.py", "import datetime\nx = datetime.datetime.now()\n"),
    (ambient_effects, "commands/a.py", "from datetime import datetime\nx = datetime.now\n"),
    (ambient_effects, "eventstore/a.py", "import time\nx = time.time()\n"),
    (ambient_effects, "eventstore/a.py", "from uuid import uuid4\nx = uuid4()\n"),
    (ambient_effects, "gateway/a.py", "import os\nx = os.environ['A']\n"),
    (ambient_effects, "schemas/a.py", "import random\n"),
    (ambient_effects, "simulation/a.py", "import random\nx = random.random()\n"),
    (domain_floats, "domain/a.py", "x = 0.5\n"),
    (domain_floats, "domain/a.py", "x: float\n"),
    (walked_keys, "projections/a.py", "x = {1} - {}.keys()\n"),
    (walked_keys, "projections/a.py", "x = {1}\nx -= {}.keys()\n"),
    (without_docstring, "domain/a.py", "x = 1\n"),
    (without_docstring, "domain/a.py", DOCUMENTED + "def f() -> None:\n    pass\n"),
    (without_docstring, "tests/a.py", DOCUMENTED + "def test_x() -> None:\n    pass\n"),
)
OBEYING: tuple[tuple[Callable[[Source], Iterator[str]], str, str], ...] = (
    (long_functions, "domain/a.py", LONG_FUNCTION.rsplit("    x", 1)[0]),
    (long_files, "domain/a.py", "x = 1\n" * FILE_LINES_MAX),
    (long_lines, "domain/a.py", f"{'y' * LINE_LENGTH_MAX}  # type: ignore[name-defined]\n"),
    (vague_names, "domain/a.py", "base_currency = 'USD'\n"),
    (vague_names, "domain/a.py", "PORTFOLIO_MANAGER = 'portfolio_manager'\n"),
    (ambient_effects, "infra/a.py", "import time\nx = time.time()\n"),
    (ambient_effects, "commands/a.py", "import time\nx = time.monotonic()\n"),
    (ambient_effects, "simulation/a.py", "import random\nx = random.Random(7)\n"),
    (domain_floats, "domain/statistics/returns.py", "x = 0.5\n"),
    (domain_floats, "gateway/a.py", "x = 0.5\n"),
    (walked_keys, "projections/a.py", "x = {}.keys() - {1}\n"),
    (without_docstring, "domain/a.py", DOCUMENTED + "def _private() -> None:\n    pass\n"),
)


class TestARule:
    """Each rule has been seen to fail, so its silence means something."""

    @pytest.mark.parametrize(("rule", "path", "text"), BREAKING)
    def test_names_a_file_that_breaks_it(
        self, rule: Callable[[Source], Iterator[str]], path: str, text: str
    ) -> None:
        """A breaking sample gives at least one finding, which names the file."""
        findings = list(rule(source_of(path, text)))

        assert findings
        assert findings[0].startswith(f"{path}:")

    @pytest.mark.parametrize(("rule", "path", "text"), OBEYING)
    def test_is_silent_just_inside_its_border(
        self, rule: Callable[[Source], Iterator[str]], path: str, text: str
    ) -> None:
        """The nearest permitted sample gives no finding."""
        assert not list(rule(source_of(path, text)))
