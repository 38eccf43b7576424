"""What the library's functions are given, checked against what their annotations say."""
