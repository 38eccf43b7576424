"""Compares the library and the paper's network with slow float64 oracles, on the machine at hand."""
