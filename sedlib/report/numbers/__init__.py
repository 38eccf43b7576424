"""Reads the results' tables; computes the numbers of a run and means over seeds; holds those of the paper."""
