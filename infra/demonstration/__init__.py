"""The demo as `pms demo` runs it: tokens, the measured lag, the live view, the summary."""
