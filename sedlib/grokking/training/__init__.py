"""From step 0 to the last checkpoint."""
