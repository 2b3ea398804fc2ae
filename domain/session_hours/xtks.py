"""Session hours of XTKS; written by tests.domain.session_tables."""

from domain.session_hours import SessionHours

HOURS = SessionHours(
    regular="""
1997-01-06 0900-1130,1230-1500
2024-11-05 0900-1130,1230-1530
""",
    special="""

""",
)
