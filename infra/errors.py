"""What an operator can mend: said in one clear sentence, without a traceback."""

from __future__ import annotations


class OperatorError(Exception):
    """Something the person at the keyboard can put right; the message says what and how."""
