"""The leaderboard: ranks of contests, made of `performance` at one position, kept in Redis."""
