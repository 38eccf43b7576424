"""Computes, tables and draws what the pipelines in sweeps/ found."""
