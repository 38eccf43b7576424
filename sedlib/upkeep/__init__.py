"""What DVC keeps: which of it is damaged in workspace, cache or remote, and what brings it back."""
