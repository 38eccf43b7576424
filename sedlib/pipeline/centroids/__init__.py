"""From networks to the centroids of their probes."""
