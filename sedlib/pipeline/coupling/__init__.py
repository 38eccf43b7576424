"""How much centroids move along a basis, relative to a random direction; ablations of that measurement."""
