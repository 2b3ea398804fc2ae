"""Cash: every leg that moved it, and what is held in each currency."""
