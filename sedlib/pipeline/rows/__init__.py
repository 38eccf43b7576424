"""From checkpoints to row streams and their rolling bases."""
