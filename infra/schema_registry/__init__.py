"""A small schema registry that speaks Confluent's HTTP interface, for local use and for tests.

It holds Avro schemas only and forgets none: subjects, versions and ids live in PostgreSQL, in the
schema `schema_registry`. An installation that has a registry of its own names that one instead.
"""
