"""Checkpoints as people have them on disk: found, ordered by step, and opened without believing what they say."""
