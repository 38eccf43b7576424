"""Trains a run and records its checkpoints."""
