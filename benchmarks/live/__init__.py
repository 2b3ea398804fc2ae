"""`pms bench live`: from the acceptance of a trade to the push on a socket."""
