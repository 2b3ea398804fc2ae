"""Session hours of XBOM; written by tests.domain.session_tables."""

from domain.session_hours import SessionHours

HOURS = SessionHours(
    regular="""
1997-01-01 0915-1530
""",
    special="""

""",
)
