"""Reactions: events that lead to commands, one file each. One leader in the system runs them.

A reaction's command is named after the event that caused it and its target, so a crash or a repeat
meets the first outcome. Reactions never run in a rebuild: their events are already in the log.
"""
