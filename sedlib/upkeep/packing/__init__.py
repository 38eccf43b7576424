"""Packs the result tables into one file that git keeps, and unpacks them in a clone that has none."""
