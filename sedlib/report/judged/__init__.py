"""Lists all claims with verdicts and causes, and says which stand first."""
