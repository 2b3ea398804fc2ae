"""Every example of docs/analytics.md prints what the page says, each on its own."""

import ast
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from domain.statistics.ex_ante import MEASURES
from projections.performance.ex_post import FIGURES
from projections.performance.risk import EXPOSURE_FIGURES, VOLATILITY
from tests.whole.pages import Snippet, snippets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analytics.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [each for each in snippets(TEXT) if each.language == "python"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"line {each.line}")
def test_an_example_prints_what_the_page_says(example: Snippet) -> None:
    """Nothing of another example is there."""
    assert example.prints, "an example says what it prints"
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(example.text, str(PAGE), "exec"), {})  # noqa: S102 - the page is ours

    assert printed.getvalue() == example.prints


def test_every_section_has_an_example() -> None:
    """A figure without one would be an assertion only."""
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]

    assert [each.splitlines()[0] for each in sections if "```python" not in each] == []
    assert len(EXAMPLES) >= len(sections)


PARTS = {
    "between", "deepest", "interpolated_place", "is_constant", "is_restored", "labels_of",
    "last_closes", "listed", "maximum_drawdown", "normals_from", "per_period", "shares",
    "simulated", "tails", "ten_day_tails", "wealth",
}  # fmt: skip
"""What figures are made by and is none itself, or is shown under the name of what it is part of."""

OF_CONTESTS = {"ranked_by", "deepest_drawdown"}
"""Shown in leaderboard.md."""


def test_every_figure_is_worked_out() -> None:
    """Each public function of the statistics is called in an example."""
    folder = Path(__file__).resolve().parents[2] / "domain" / "statistics"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    functions = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    words = {word for each in EXAMPLES for word in re.findall(r"\w+", each.text)}

    assert functions - words == PARTS | OF_CONTESTS


def test_every_name_of_a_figure_is_on_the_page() -> None:
    """Statistics, exposures, tails."""
    names = [*FIGURES, *EXPOSURE_FIGURES, *MEASURES, VOLATILITY]

    assert [name for name in names if f"`{name}" not in TEXT] == []
