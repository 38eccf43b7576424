"""Holds the papers' claims beside the numbers and decides each verdict by a rule."""
