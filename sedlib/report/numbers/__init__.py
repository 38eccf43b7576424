"""What is read from the results' tables, and what is computed from it."""
