"""What a defect of our own code raises: it concerns the one thing it was about, and no other.

What the database raises is none of it: that concerns everything alike.
"""

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def told_of(defect: Exception) -> str:
    """Say what a defect said."""
    return f"{type(defect).__name__}: {defect}"
