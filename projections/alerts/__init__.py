"""Alerts: rules with their versions, what was raised, and what became of it."""
