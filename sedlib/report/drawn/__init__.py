"""Draws the numbers as figures and as interactive charts."""
