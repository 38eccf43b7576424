"""What a run is: operations, pairs, parameters."""
