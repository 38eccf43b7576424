"""Turns the pipeline's result tables into numbers, claims, figures, tables and pages, in that order; no torch."""
