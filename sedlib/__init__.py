"""Which directions in parameter space carry the features a network forms."""
