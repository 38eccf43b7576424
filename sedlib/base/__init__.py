"""What everything stands on: errors, atomic writes, progress, seeded randomness, hardware, HDF5 files with a schema."""
