"""What code a stage uses: one small text each, on which the stage depends."""
