"""The committed tables of closed days are what the libraries say now."""

import pytest

from tests.domain.calendar_tables import FOLDER, module, tables

# The libraries use what pandas deprecates.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class TestTheCommittedTables:
    """Whoever updates a library writes them anew and reads the difference."""

    def test_are_what_the_libraries_say(self) -> None:
        """Run `python -m tests.domain.calendar_tables` where they differ."""
        wanted = {name: module(table) for name, table in tables()}

        written = {
            path.stem: path.read_text(encoding="utf-8")
            for path in FOLDER.glob("*.py")
            if path.stem != "__init__"
        }

        assert written == wanted
