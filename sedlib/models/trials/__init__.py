"""What is tried out on a few probes or examples before a number is read off a network."""
