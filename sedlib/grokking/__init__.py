"""The experiment of the paper: modular arithmetic, a two-layer Transformer encoder, AdamW."""
