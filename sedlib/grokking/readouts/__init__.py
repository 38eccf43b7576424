"""Readouts that modular arithmetic alone has: Fourier frequencies."""
