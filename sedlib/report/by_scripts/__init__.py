"""Reads off a run what the papers' released scripts record of it."""
