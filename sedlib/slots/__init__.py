"""Which parameters are a network's attention weights, where each head lies in them, and what adapters add to them."""
