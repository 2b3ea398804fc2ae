"""Event names and types, the JSON codec of the log, and the Avro schemas and codec of the wire."""
