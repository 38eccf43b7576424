"""All checks, in the order of the public listing; the network last."""

from sedlib.selftest.check import Check
from sedlib.selftest.checks import (
    basis_checks,
    centroid_checks,
    coupling_checks,
    curvature_checks,
    fisher_checks,
    fourier_checks,
    gradient_checks,
    lead_checks,
    model_checks,
    network_checks,
    projection_checks,
    sampling_checks,
    sketch_checks,
    trajectory_checks,
    vector_checks,
)

FILES = (
    vector_checks,
    gradient_checks,
    basis_checks,
    sketch_checks,
    centroid_checks,
    coupling_checks,
    sampling_checks,
    fisher_checks,
    projection_checks,
    trajectory_checks,
    curvature_checks,
    fourier_checks,
    lead_checks,
    model_checks,
    network_checks,
)
CHECKS = tuple(found for file in FILES for found in vars(file).values() if isinstance(found, Check))
