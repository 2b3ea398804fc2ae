"""Tests of `projections.performance`."""
