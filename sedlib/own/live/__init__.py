"""Records a training loop while it runs, in one process or in several, and disturbs nothing of it."""
