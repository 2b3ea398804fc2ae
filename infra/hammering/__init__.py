"""The hammer: a whole PMS under load and faults drawn from a seed, then held against its word."""
