"""Computes metrics.json and the data of the charts, and reads them for claims, tables and figures."""
