"""Pre-trade rules: each one small function that names the breach it finds, or finds none.

A proposed trade is refused on any breach that blocks; an executed one books and carries them as
warnings, unless it cannot be understood (convention 1).
"""
