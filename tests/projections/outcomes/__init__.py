"""Tests of `projections.outcomes`."""
