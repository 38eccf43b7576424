"""What a stage computes on: the device, its threads, the library of its products, and whether it was tested."""
