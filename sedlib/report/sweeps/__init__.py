"""Results of the pipelines in sweeps/."""
