"""Every example of docs/leaderboard.md prints what the page says, each on its own."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.whole.pages import Snippet, snippets

PAGE = Path(__file__).resolve().parents[3] / "docs" / "leaderboard.md"
EXAMPLES = [
    each for each in snippets(PAGE.read_text(encoding="utf-8")) if each.language == "python"
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"line {each.line}")
def test_an_example_prints_what_the_page_says(example: Snippet) -> None:
    """Nothing of another example is there."""
    assert example.prints, "an example says what it prints"
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(example.text, str(PAGE), "exec"), {})  # noqa: S102 - the page is ours

    assert printed.getvalue() == example.prints
