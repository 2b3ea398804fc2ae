"""Session hours of XSES; written by tests.domain.session_tables."""

from domain.session_hours import SessionHours

HOURS = SessionHours(
    regular="""
1990-01-02 0900-1700
""",
    special="""

""",
)
