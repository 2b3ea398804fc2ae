"""What is asked for by arrays: the question, and arrays as one text.

Of a list the driver calls Python for each element (0.3 µs).
"""

from collections.abc import Iterable


def looked_up(table: str, **key: str) -> str:
    """Write the question for a table's rows whose key is in arrays, a parameter a column.

    `key` are the columns with their types. Each is looked up by itself: a join would be planned for
    a table that is tiny, as it is when a fold asks first, and would go on to read all of it.
    """
    arrays = ", ".join(f"%s::{kind}[]" for kind in key.values())
    is_asked = " AND ".join(f"kept.{column} = asked.{column}" for column in key)
    return f"""SELECT found.* FROM unnest({arrays}) AS asked ({", ".join(key)}) CROSS JOIN LATERAL (
    SELECT * FROM {{schema}}.{table} AS kept WHERE {is_asked} OFFSET 0
) AS found"""  # noqa: S608 - names of ours


def array_text(values: Iterable[object]) -> str:
    """Write an array of what `str` writes, as PostgreSQL reads it: `{"AAPL","MSFT"}`."""
    if not values:
        return "{}"
    texts = (str(each).replace("\\", "\\\\").replace('"', '\\"') for each in values)
    return "{" + ",".join(f'"{each}"' for each in texts) + "}"
