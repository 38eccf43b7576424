"""All claims together: their list with verdicts and causes, what stands first, the scoreboard."""
