"""The pipeline for any study: from its checkpoints to rows, bases, centroids and coupling ratios."""
