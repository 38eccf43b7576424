"""Rows that are too long to keep whole: as seeded sketches, and as factors of linear layers."""
