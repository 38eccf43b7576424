"""The report of any study: the papers' questions asked of its runs, each answered by a rule, and its page."""
