"""Training in which a part of each step is removed, or something is added to it."""
