"""Market: what was told of prices and rates, what stands, and how old it is."""
