"""Arrays written as one text are read by PostgreSQL as what they were made of."""

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from infra.database import Database
from projections.arrays import array_text

texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")))


class TestArrays:
    """Whatever is in a text stays in it."""

    def test_texts_come_back(self, log_database: Database) -> None:
        """Quotes, backslashes, braces, commas, NULL and nothing at all are texts like others."""
        with psycopg.connect(log_database.app_conninfo) as connection:

            @given(texts)
            def law(values: list[str]) -> None:
                asked = connection.execute("SELECT %s::text[]", (array_text(values),))
                assert asked.fetchone() == (values,)

            law()

    def test_numbers_come_back(self, log_database: Database) -> None:
        """As positions are asked for."""
        with psycopg.connect(log_database.app_conninfo) as connection:
            asked = connection.execute("SELECT %s::bigint[]", (array_text([-1, 0, 2**40]),))
            assert asked.fetchone() == ([-1, 0, 2**40],)
