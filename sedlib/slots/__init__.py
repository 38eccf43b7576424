"""Finds a network's attention weights by structure, where each head lies in them, and what an adapter adds to them."""
