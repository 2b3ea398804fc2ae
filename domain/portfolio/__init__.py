"""The portfolio aggregate: its events, its state, and one file per family of decisions."""
