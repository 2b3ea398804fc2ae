"""Tests of the package `write_api`."""
