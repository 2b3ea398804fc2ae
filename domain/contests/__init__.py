"""Contests: what is announced, who takes part, how they are ranked (convention 14)."""
