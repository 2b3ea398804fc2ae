"""Alerts: rules that watch figures, and what happens to an alert once it is raised (pure)."""
