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
    "logit": BLUE,
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
        "How much centroids move along a stream's basis, relative to a random direction (1).",
        "The gradient lies far above the update at every step. On add, sub and mul it rises when the network groks.",
        *("step", "ratio", "stream", ("experiment", "window"), "training step", "coupling ratio R̄"),
        log=True,
        shows={"gradient and update": GRADIENT_AND_UPDATE, "parts of AdamW": ("gradient", *PARTS, "update")},
    ),
    Chart(
        "accuracy",
        "Accuracy",
        "Share of pairs answered correctly; the grok step is the first with 98 % of the held-out pairs.",
        "Training pairs are learned within some hundred steps, held-out pairs thousands of steps later.",
        *("step", "accuracy", "split", ("experiment",), "training step", "accuracy"),
    ),
    Chart(
        "ladder",
        "The estimator ladder",
        "Median coupling ratio before grokking on each rung between the gradient and the update.",
        "Two rungs lose most: the per-coordinate scaling, and the sum of the steps between two checkpoints.",
        *("rung", "plateau", "window", ("experiment",), "", "coupling ratio R̄"),
        log=True,
        order="position",
    ),
    Chart(
        "interventions",
        "Interventions",
        "Held-out accuracy while the attention slots move by a part of each step only.",
        "Frozen attention and three random directions grok together, long before the control.",
        *("step", "test_accuracy", "condition", ("op", "projection"), "training step", "held-out accuracy"),
        shows={
            "SED basis of the steps before projection": NATURAL,
            "SED basis of the steps after projection": PROJECTED,
        },
    ),
    Chart(
        "rank_curve",
        "How much attention must move",
        "Grok step against the number of attention coordinates, fresh at each step, that may move.",
        "Nothing changes from no coordinate to a hundredth of them: three is no special number.",
        *("coordinates", "grok_step", "run", (), "coordinates that may move", "grok step"),
        logarithmic_x=True,
    ),
    Chart(
        "defect",
        "Commutator defect",
        "How far two gradient steps are from commuting: the median of a measurement's draws, and their quartiles.",
        "The defect grows before the grok step; on quad and cubic, which never grok, it grows as well.",
        *("step", "defect", "line", ("experiment",), "training step", "commutator defect"),
        log=True,
        band=("lower_quartile", "upper_quartile"),
    ),
    Chart(
        "rank90",
        "Rank of the centroids",
        "Principal components that hold 90 % of the centroids' spectrum.",
        "The rank rises in memorisation and falls when the network groks.",
        *("step", "rank90", "centroid", ("experiment",), "training step", "rank-90"),
    ),
    Chart(
        "restricted_loss",
        "Restricted and excluded loss",
        "Loss of the network's key frequencies alone, and of everything but these frequencies.",
        "On add, sub and mul the key frequencies alone have a lower loss than the whole network long before it groks.",
        *("step", "loss_value", "kind", ("experiment",), "training step", "cross-entropy (nats)"),
        log=True,
    ),
)
