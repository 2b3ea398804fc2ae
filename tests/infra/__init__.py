"""Tests of the package `infra`."""
