"""The composition of everything: settings, processes, command line, embedded services, telemetry.

Only here (and in tests and benchmarks) the clock, the environment and randomness are read.
"""
