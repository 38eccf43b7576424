"""What everything stands on: errors, files and tables, progress, seeded randomness, precision."""
