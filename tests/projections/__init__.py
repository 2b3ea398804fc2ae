"""Tests of the package `projections`."""
