"""What is kept of an unfinished computation, so that it goes on after it was stopped."""
