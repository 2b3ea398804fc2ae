"""Event names and types, and the JSON codec of the log."""
