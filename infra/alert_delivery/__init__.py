"""Delivering alerts: to webhooks and by e-mail, from the log, each once and in order."""
