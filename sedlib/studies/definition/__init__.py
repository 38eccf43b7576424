"""What a study.py inherits from, the settings of its runs, and what is refused of it before any work."""
