"""Positions: what each portfolio holds, what it cost, what was realised, what it is worth."""
