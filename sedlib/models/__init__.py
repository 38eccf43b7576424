"""A network at one whole checkpoint, in eval, as a function of its slots, tried out before it is believed."""
