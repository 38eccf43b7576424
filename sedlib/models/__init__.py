"""A user's network as it is found, and the network at one whole checkpoint as a function of its slots."""
