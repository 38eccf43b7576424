"""What happens on a worker: a throw-away clone, and a process in it that runs one stage."""
