"""Statistics against oracles of other hands, or a second implementation by another algorithm."""
