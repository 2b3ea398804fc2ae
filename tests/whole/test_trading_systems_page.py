"""docs/trading-systems.md: a reader who follows it meets what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.whole.pages import TOKENS, Reader, Snippet, snippets
from tests.whole.system import WholeSystem, whole_system

PAGE = REPOSITORY / "docs" / "trading-systems.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    """A running PMS."""
    with whole_system() as system:
        yield system


class TestThePage:
    """From the token to the last snippet."""

    def test_does_what_it_says(
        self, system: WholeSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each snippet runs, and prints what stands below it."""
        found = snippets(PAGE.read_text(encoding="utf-8"))
        running = system.running
        addresses = {
            "http://127.0.0.1:8321": running.write_url,
            "http://127.0.0.1:8322": running.read_url,
            "/tmp/fills.ndjson": str(tmp_path / "fills.ndjson"),  # noqa: S108 - replaced here
        }
        for name in TOKENS:
            monkeypatch.setenv(name, "")
        reader = Reader(tmp_path, addresses, running.data.path)

        for snippet in found:
            reader.do(snippet)

        assert {each.language for each in found} == {"sh", "python"}
        assert sum(each.prints is not None for each in found) > 10


class TestAPageThatIsWrong:
    """A test of the test: what does not run or prints something else is told with its line."""

    def test_prints_something_else(self, tmp_path: Path) -> None:
        """The output is compared, but where it says that it may be anything."""
        told = "```python\nprint(1, 2)\n```\n\n```text\n1 …\n```\n\n"
        good, bad = snippets(told + "```sh\necho 3\n```\n```text\n4\n```\n")
        reader = Reader(tmp_path, {}, tmp_path)

        assert good == Snippet("python", "print(1, 2)\n", 2, "1 …\n")
        reader.do(good)
        with pytest.raises(AssertionError, match="line 10 prints:\n3"):
            reader.do(bad)

    def test_does_not_run(self, tmp_path: Path) -> None:
        """In either language."""
        for text in ("```sh\nfalse\n```\n", "```python\nassert False\n```\n"):
            (snippet,) = snippets(text)
            with pytest.raises(AssertionError):
                Reader(tmp_path, {}, tmp_path).do(snippet)
