"""Worlds made from a seed: the demo market and the trading bots that use the public HTTP API."""
