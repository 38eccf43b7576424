"""The papers' claims beside the numbers, with a verdict by rule."""
