"""Somebody's own run, from its checkpoints or its training loop to the table of coupling ratios and the figure."""
