"""The suite mirrors the packages: `tests/eventstore` tests `eventstore`, and so on."""
