"""Training of which a part of every step is taken away, or to which something is added."""
