"""DVC's stale stages in parallel, on Dask: one machine or a cluster. docs/cluster.md says how to use it."""
