"""How many bytes the largest arrays of the analysis take. Apart from those of training, which knows nothing of it."""

from collections.abc import Iterator

from sedlib.grokking.setup.sizes import MATRICES, NetworkSizes, Size
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.terms.tables.curvature_table import SINGULAR_DIRECTIONS


def measuring(network: NetworkSizes, checkpoints: int, params: AnalysisParams) -> Iterator[Size]:
    """What the stages hold that measure rows, bases, centroids and coupling."""
    n, window, count = network.attention, params.window, params.random_directions.count
    yield Size("the rows of a stream", f"{checkpoints:,} checkpoints by {n:,} parameters", 4 * checkpoints * n)
    shape = f"{checkpoints:,} checkpoints by window = {window:,} squared by 8 bytes"
    yield Size("the Gram matrices of all windows", shape, 8 * checkpoints * window**2)
    yield network.of_examples("the gradient batch", "gradient_batch.size", params.gradient_batch.size)
    yield network.of_examples("the probes", "probes.count", params.probes.count)
    shape = f"random_directions.count = {count:,} by {n:,} parameters"
    yield Size("the random directions", shape, 4 * count * n)


def single_step(network: NetworkSizes, batch_size: int) -> Size:
    """Gradients of each example, which single_step decomposes."""
    shape = f"gradient_batch.size = {batch_size:,} by {network.attention:,} parameters"
    return Size("the gradients of single examples", shape, 4 * batch_size * network.attention)


def curvature(network: NetworkSizes, params: CurvatureParams) -> Iterator[Size]:
    """What commutators and their subspaces take."""
    of_a_matrix = params.components + SINGULAR_DIRECTIONS
    directions = (1 + params.random_subspaces) * of_a_matrix * MATRICES * network.layers
    shape = f"{directions:,} directions by {network.parameters:,} parameters"
    yield Size("the bases of commutators and random subspaces", shape, 4 * directions * network.parameters)
    shape = f"geometry.curvature.draws = {params.draws:,} by {network.parameters:,} parameters"
    yield Size("the commutators", shape, 4 * params.draws * network.parameters)
    yield network.of_examples("a batch of commutators", "geometry.curvature.batch_size", params.batch_size)


def intervention(network: NetworkSizes, window: int) -> Size:
    """The history of a SED basis, of any target."""
    shape = f"interventions.window = {window:,} by {network.parameters:,} parameters"
    return Size("the history of steps", shape, 4 * window * network.parameters)
