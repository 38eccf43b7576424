"""The files that `sedlib init` writes into a folder."""
