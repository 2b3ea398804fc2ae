"""Tests of the client: its logic alone, its carriers over HTTP, and against the real thing."""
