"""Errors that a user can fix: scripts print them without a traceback."""


class UserError(Exception):
    """Wrong input or a broken file; the message says what was expected, what came, where, and what to do."""
