"""Rows of a run: of which losses, at which checkpoints, taken once and, where only sketches are kept, again."""
