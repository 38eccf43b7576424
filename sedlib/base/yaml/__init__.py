"""Reads YAML that may come from anywhere."""
