"""Tests of the hammer's parts; each check is shown a system that breaks its word."""
