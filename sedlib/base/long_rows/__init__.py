"""Matrices of long rows, read in blocks of columns, and sums along the rows."""
