"""Parameters of the analysis: their limits, how they are read, and how they are refused."""
