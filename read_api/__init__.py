"""HTTP for queries: positions, cash, trades and performance, each at a stated position."""
