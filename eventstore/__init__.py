"""The log on PostgreSQL: append under one lock, read by position or stream, follow."""
