"""What a reader opens: the page, the files of the report, the numbers in README and docs."""
