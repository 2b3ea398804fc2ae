"""The whole pipeline under sustained load: HTTP in, log, every read model current."""
