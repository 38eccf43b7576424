"""Puts the numbers and their verdicts into tables."""
