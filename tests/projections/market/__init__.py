"""The read model `market`."""
