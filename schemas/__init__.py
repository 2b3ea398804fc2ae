"""Event names and types, the JSON codec of the log, upcasts and golden samples."""
