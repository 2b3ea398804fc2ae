"""The page docs/adding-a-rule.md does what it says, step by step."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from domain.limits.terms import LimitRule
from domain.rules.judging import LIMITED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-rule.md"
SNIPPET = re.compile(r"<!-- (\w+) -->\n```python\n(.*?)```", re.DOTALL)


def snippets() -> dict[str, str]:
    """The page's snippets by name."""
    return dict(SNIPPET.findall(PAGE.read_text(encoding="utf-8")))


class TestThePage:
    """A rule is one function and one test."""

    def test_adds_a_rule_and_its_test_passes(self) -> None:
        """The name, the function, its line, and the test, as they are written there."""
        steps = snippets()
        named: dict[str, Any] = {}
        exec(steps["name"], {}, named)  # noqa: S102 - a page of this repository
        members = {rule.name: rule.value for rule in LimitRule} | named
        world: dict[str, Any] = {
            "LimitRule": StrEnum("LimitRule", members),
            "LIMITED": dict(LIMITED),
        }

        for step in ("function", "line", "test"):
            exec(steps[step], world)  # noqa: S102 - a page of this repository

        (test,) = [each for name, each in world.items() if name.startswith("test_")]
        test()

    def test_the_table_has_every_rule(self) -> None:
        """A limit that nobody judges by would protect nothing."""
        assert LIMITED.keys() == set(LimitRule)
