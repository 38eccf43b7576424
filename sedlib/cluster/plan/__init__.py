"""Which stages are stale, and what each waits for."""
