"""Reads the results' tables and computes every number of the report."""
