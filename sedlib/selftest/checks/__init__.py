"""What is compared with what: a check for each routine, a file for each module."""
