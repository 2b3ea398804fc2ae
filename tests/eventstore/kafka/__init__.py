"""Tests of the package `eventstore.kafka`."""
