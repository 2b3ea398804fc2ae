"""Alerts, decided from events alone."""
