"""More than a write process can do, and several write processes at once: what they promise then."""
