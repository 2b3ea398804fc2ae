"""Session hours of XMIL; written by tests.domain.session_tables."""

from domain.session_hours import SessionHours

HOURS = SessionHours(
    regular="""
1990-01-02 0900-1730
""",
    special="""

""",
)
