"""The interactive charts: which table of reports/data each draws, and what a reader should see in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sedlib.report.drawn.panels import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

COLOURS = {
    "gradient": BLUE,
    "aggregate gradient": GREEN,
    "update": VERMILION,
    "minibatch-gradient": SKY,
    "momentum": PURPLE,
    "adam-direction": ORANGE,
    "step-without-decay": "#999999",
    "step": GREY,
    "update-without-decay": "#7A3E00",
    "control": GREY,
    "remove-sed": VERMILION,
    "remove-sed-raw": "#7A3E00",
    "keep-sed": BLUE,
    "keep-sed-raw": SKY,
    "remove-random": ORANGE,
    "keep-random": GREEN,
    "freeze": PURPLE,
    "held-out pairs": BLUE,
    "training pairs": GREY,
    "simplified": BLUE,
    "full": GREY,
    "loss, all pairs": GREY,
    "restricted to key frequencies": BLUE,
    "loss, training pairs": "#999999",
    "key frequencies excluded, training pairs": VERMILION,
    "W = 1": SKY,
    "median of the draws": BLUE,
}
"""One colour per stream, condition and split, as in the figures."""


@dataclass(frozen=True)
class Chart:
    """One chart: a table of reports/data, and what is drawn of it."""

    name: str
    title: str
    caption: str
    see: str
    """What a reader should look for."""
    x: str
    y: str
    series: str
    choices: tuple[str, ...]
    """Columns of which one value is shown at a time."""
    x_title: str
    y_title: str
    log: bool = False
    shows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Series by the name of a choice, the first of which is shown at first; everything, where there are none."""
    logarithmic_x: bool = False
    order: str | None = None
    """Column that orders a categorical x."""
    band: tuple[str, str] | None = None
    """Columns of a band's lower and upper end."""


GRADIENT_AND_UPDATE = ("gradient", "aggregate gradient", "update")
PARTS = ("minibatch-gradient", "momentum", "adam-direction", "step-without-decay", "step", "update-without-decay")
NATURAL = ("control", "freeze", "keep-random", "keep-sed-raw", "remove-sed-raw")
PROJECTED = ("control", "keep-random", "remove-random", "keep-sed", "remove-sed")
CHARTS = (
    Chart(
        "coupling",
        "Coupling ratio over training",
        "How much centroids move along a stream's basis, relative to a random direction (1). W is the window.",
        "The gradient lies far above the update at every step. On add, sub and mul the gradient's ratio rises when the "
        "network groks.",
        *("step", "ratio", "stream", ("experiment", "window"), "training step", "coupling ratio R̄"),
        log=True,
        shows={"gradient and update": GRADIENT_AND_UPDATE, "parts of AdamW": ("gradient", *PARTS, "update")},
    ),
    Chart(
        "accuracy",
        "Accuracy",
        "Share of pairs answered correctly. The grok step is the first checkpoint with 98 % of the held-out pairs.",
        "The network learns training pairs within a few hundred steps, held-out pairs thousands of steps later.",
        *("step", "accuracy", "split", ("experiment",), "training step", "accuracy"),
    ),
    Chart(
        "ladder",
        "The estimator ladder",
        "Median coupling ratio before grokking, rung by rung from the gradient to the update. Each rung adds one part "
        "of AdamW.",
        "Two rungs lose most: the per-coordinate scaling (Adam direction), and the sum of the steps between two "
        "checkpoints (update).",
        *("rung", "plateau", "window", ("experiment",), "", "coupling ratio R̄"),
        log=True,
        order="position",
    ),
    Chart(
        "interventions",
        "Interventions",
        "Held-out accuracy while attention moves by a part of each step only: keep lets the named directions alone "
        "through, remove lets everything else through, freeze nothing, control everything. SED directions are those "
        "of the steps after projection; with -raw, of the steps before projection.",
        "Frozen attention and three random directions grok at the same step, long before the control: their lines "
        "coincide.",
        *("step", "test_accuracy", "condition", ("op", "projection"), "training step", "held-out accuracy"),
        shows={
            "SED basis of the steps before projection": NATURAL,
            "SED basis of the steps after projection": PROJECTED,
        },
    ),
    Chart(
        "rank_curve",
        "How much attention must move",
        "Grok step against the number of attention coordinates that may move. The coordinates are drawn anew at each "
        "step.",
        "The grok step is the same from no coordinate to a hundredth of all coordinates: three is no special number.",
        *("coordinates", "grok_step", "run", (), "coordinates that may move", "grok step"),
        logarithmic_x=True,
    ),
    Chart(
        "defect",
        "Commutator defect",
        "How far two gradient steps are from commuting. A line is the median of a measurement's draws of batches, a "
        "band lies between their quartiles.",
        "The defect grows before the grok step. The defect grows as well on quad and cubic, which never grok.",
        *("step", "defect", "line", ("experiment",), "training step", "commutator defect"),
        log=True,
        band=("lower_quartile", "upper_quartile"),
    ),
    Chart(
        "rank90",
        "Rank of the centroids",
        "Number of principal components that hold 90 % of the centroids' spectrum.",
        "The rank rises while the network memorises, and falls when the network groks.",
        *("step", "rank90", "centroid", ("experiment",), "training step", "rank-90"),
    ),
    Chart(
        "restricted_loss",
        "Restricted and excluded loss",
        "Loss of the network restricted to its key frequencies, and of the network without its key frequencies.",
        "On add, sub and mul the restricted network has a lower loss than the whole network long before the whole "
        "network groks.",
        *("step", "loss_value", "kind", ("experiment",), "training step", "cross-entropy (nats)"),
        log=True,
    ),
)
