"""Statistics of returns and risk: pure functions on arrays of floats, formulas with sources."""
