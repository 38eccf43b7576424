"""What others start from, of some runs, in one archive, for whoever has a file and no remote."""
