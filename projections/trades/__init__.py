"""Trades: the blotter, refusals with every breach, and exceptions that wait."""
