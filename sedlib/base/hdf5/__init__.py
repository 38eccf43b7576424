"""HDF5 files that are sealed, hold nothing but what their schema lists, and are whole or not there."""
