"""Where a run that goes on after grokking is looked at, as if it had stopped there."""

STOPS = (0, 500, 1000, 1500, 2000, 2500)
"""Steps after the grok step."""
