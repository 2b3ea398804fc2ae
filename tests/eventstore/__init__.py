"""Tests of the package `eventstore`."""
