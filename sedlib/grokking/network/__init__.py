"""The paper's Transformer, its losses and what is read off it at a checkpoint."""
