"""Says why a claim deviates from the paper, or what was tried without finding out."""
