"""Which directions in parameter space carry the features a network forms.

``import sedlib`` imports nothing else: the first use of ``sedlib.NAME`` imports a name of the listing below. A module
is listed if its names need the module's name to be clear: ``sedlib.trajectory.principal_components``.
"""

from functools import cache
from typing import TYPE_CHECKING

# isort: off
if TYPE_CHECKING:  # the public listing: type checkers follow it, and __getattr__ reads it
    # Parameters as vectors, and rows of gradients
    from sedlib.vectors import ParamLayout as ParamLayout
    from sedlib.slots.attention_modules import attention_modules as attention_modules
    from sedlib.gradients import (
        per_example_gradients as per_example_gradients,
        task_gradients as task_gradients,
    )
    from sedlib.positions import Positions as Positions
    from sedlib.base.randomness import generator as generator

    # Bases of the windows of a stream of rows
    from sedlib.bases import (
        RollingBases as RollingBases,
        UndeterminedBasisError as UndeterminedBasisError,
        directions as directions,
        rolling_bases as rolling_bases,
    )
    from sedlib.base.long_rows.matrix_rows import Rows as Rows
    from sedlib.products import gram as gram, gram_band as gram_band
    from sedlib.readings import (
        SpectralGaps as SpectralGaps,
        orthonormality as orthonormality,
        spectral_gaps as spectral_gaps,
        spectral_residual as spectral_residual,
        successive_overlaps as successive_overlaps,
    )

    # Rows that are too long to keep: as sketches, and as factors of linear layers
    from sedlib.sketches.sketch import CountSketch as CountSketch
    from sedlib.sketches.sketch_precision import (
        SketchErrors as SketchErrors,
        buckets_for as buckets_for,
        sketch_errors as sketch_errors,
    )
    from sedlib.sketches.streamed import (
        sketched_directions as sketched_directions,
        streamed_directions as streamed_directions,
    )
    from sedlib.sketches.linear_gradients import factored_gradients as factored_gradients
    from sedlib.sketches.linear_gram import (
        FactoredRow as FactoredRow,
        LinearFactors as LinearFactors,
        factored_band as factored_band,
        factors_are_fewer as factors_are_fewer,
    )

    # Networks as they are found
    from sedlib.models.checkpoint import Checkpoint as Checkpoint
    from sedlib.models.probes import Probes as Probes
    from sedlib.models.neighbours import Neighbours as Neighbours
    from sedlib.models.centroid_function import CentroidFunction as CentroidFunction

    from sedlib.saved.saved_checkpoints import Checkpoints as Checkpoints

    # Your own run
    from sedlib.own.live.recorder import Recorder as Recorder
    from sedlib.own.live.recorder_callback import RecorderCallback as RecorderCallback
    from sedlib.own.row_folder import RowFolder as RowFolder

    # Centroids, and how far a direction moves them
    from sedlib.centroids import (
        CentroidComparison as CentroidComparison,
        CentroidReadouts as CentroidReadouts,
    )
    from sedlib.coupling import (
        Baseline as Baseline,
        central_difference as central_difference,
        coupling_ratios as coupling_ratios,
        jvp as jvp,
        random_baseline as random_baseline,
    )
    from sedlib.sampling import RandomDirections as RandomDirections, random_directions as random_directions
    from sedlib.scores import (
        full_scores as full_scores,
        inner_scores as inner_scores,
        logit_scores as logit_scores,
    )

    # A whole run, from its checkpoints to the table and the figure
    from sedlib.own.measure_run import measure as measure
    from sedlib.own.coupling_plot import plot_coupling as plot_coupling

    # Bases without a window: directions in which examples differ
    from sedlib.fisher import (
        EmpiricalFisher as EmpiricalFisher,
        FisherBasis as FisherBasis,
        empirical_fisher as empirical_fisher,
        gradient_basis as gradient_basis,
        lanczos as lanczos,
    )

    # Subspaces, and projections on them
    from sedlib.projection import (
        RollingHistory as RollingHistory,
        onto_basis as onto_basis,
        onto_coordinates as onto_coordinates,
        orthonormal as orthonormal,
        overlap as overlap,
        principal_angles as principal_angles,
        random_basis as random_basis,
        random_coordinates as random_coordinates,
        removing as removing,
    )

    # Trajectories, random walks beside them, and their curvature
    from sedlib.trajectory import (
        Displacements as Displacements,
        expanding_pc1_percent as expanding_pc1_percent,
        pc1_percent as pc1_percent,
        random_walk as random_walk,
        random_walk_null as random_walk_null,
        step_norms as step_norms,
        z_score as z_score,
    )
    from sedlib.curvature import (
        Commutator as Commutator,
        Decomposition as Decomposition,
        LostInRoundingError as LostInRoundingError,
        commutators as commutators,
        decompose as decompose,
        execution_basis as execution_basis,
        expected_random_share as expected_random_share,
        pooled_pairs as pooled_pairs,
    )
    from sedlib.weight_directions import (
        UndeterminedError as UndeterminedError,
        singular_basis as singular_basis,
    )

    # Whole modules
    from sedlib import (
        adam as adam,
        bases as bases,
        blocks as blocks,
        centroids as centroids,
        coupling as coupling,
        curvature as curvature,
        fisher as fisher,
        fourier as fourier,
        gradients as gradients,
        leads as leads,
        positions as positions,
        products as products,
        projection as projection,
        readings as readings,
        sampling as sampling,
        scores as scores,
        trajectory as trajectory,
        vectors as vectors,
        weight_directions as weight_directions,
    )
# isort: on


@cache
def _listing() -> dict[str, str]:
    """The module of every name above."""
    import ast
    from pathlib import Path

    nodes = ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    imports = [(node.module or "", node.names) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {alias.name: module for module, names in imports if module.startswith(__name__) for alias in names}


def __dir__() -> list[str]:
    return sorted(_listing())


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _listing():
            raise AttributeError(_unknown(name))
        module = _listing()[name]
        found = import_module(f"{module}.{name}") if module == __name__ else getattr(import_module(module), name)
        globals()[name] = found  # from now on it is found without this function
        return found


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, _listing())
    return f"module {__name__!r} has no attribute {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
