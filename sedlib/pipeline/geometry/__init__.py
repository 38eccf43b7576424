"""The trajectory in the space of all parameters: principal components, commutators of gradient steps."""
