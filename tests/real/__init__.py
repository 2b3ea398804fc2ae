"""Real data through the real system, and what the same data say by other means."""
