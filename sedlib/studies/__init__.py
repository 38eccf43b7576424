"""A study of one's own: what a study.py inherits from, how its runs are trained or taken in, its project folder."""
