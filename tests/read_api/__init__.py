"""Tests of the package `read_api`."""
