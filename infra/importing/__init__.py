"""Importing CSV files through the public HTTP API: reading rows, building commands, reporting."""
