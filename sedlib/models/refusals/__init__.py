"""What of a network cannot be measured, and what an error of PyTorch's says of it."""
