"""Session hours of XSWX; written by tests.domain.session_tables."""

from domain.session_hours import SessionHours

HOURS = SessionHours(
    regular="""
1990-01-03 0900-1730
""",
    special="""

""",
)
