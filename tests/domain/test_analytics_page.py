"""Every example of docs/analytics.md prints what the page says, each on its own."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

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
