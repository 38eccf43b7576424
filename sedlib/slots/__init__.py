"""Which parameters are a network's attention weights, where each head lies in them, and what an adapter adds to them."""
