"""Command types, their handlers by aggregate, and the desk that decides and appends them."""
