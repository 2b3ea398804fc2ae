"""HTTP for commands: parse, build the command, map the outcome. No rule and no SQL."""
