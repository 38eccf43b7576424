"""What is compared with what: a check for each routine, a file for each module.

The docstring of a check says what the routine is compared with, or which case is checked.
"""
