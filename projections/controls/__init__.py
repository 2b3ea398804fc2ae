"""Controls: limits and their history, trading states, overrides, breaches by prices, usage."""
