"""Measures a run as the papers' released scripts do, where they part from the text."""
