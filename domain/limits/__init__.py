"""Limits, trading states and overrides: what a tenant allows its trades, as versioned facts."""
