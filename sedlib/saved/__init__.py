"""Checkpoints as people have them on disk: found, ordered by step, read without running code."""
