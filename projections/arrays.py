"""PostgreSQL arrays as one text: the driver calls Python for each element of a list (0.3 µs)."""

from collections.abc import Iterable


def array_text(values: Iterable[object]) -> str:
    """Write an array of what `str` writes, as PostgreSQL reads it: `{"AAPL","MSFT"}`."""
    texts = (str(each).replace("\\", "\\\\").replace('"', '\\"') for each in values)
    return "{" + ",".join(f'"{each}"' for each in texts) + "}"
