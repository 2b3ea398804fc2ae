"""Measured speed: each module has `run(..., progress=callback)` that answers one dictionary."""
