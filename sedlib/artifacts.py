"""The four kinds of artifact that stages exchange. docs/artifacts.md is their prose; a test compares the two."""

from sedlib.store import Dataset, Schema

CHECKPOINTS = Schema(
    "checkpoints",
    1,
    "train",
    {
        "steps": Dataset(("steps",), "int64", "optimizer steps taken at each checkpoint; the first is 0"),
        "state/*": Dataset(("steps", "..."), "float32", "every parameter of the model, by name"),
        "optimizer/exp_avg": Dataset(
            ("steps", "params"), "float32", "AdamW's first moment of the attention slots; zero at step 0"
        ),
        "optimizer/exp_avg_sq": Dataset(
            ("steps", "params"), "float32", "AdamW's second moment of the attention slots; zero at step 0"
        ),
        "split/train": Dataset(("train_pairs", "operands"), "int64", "pairs (a, b) trained on"),
        "split/test": Dataset(("test_pairs", "operands"), "int64", "pairs (a, b) held out"),
    },
)

GRADIENTS = Schema(
    "gradients",
    1,
    "dump",
    {
        "steps": Dataset(("steps",), "int64", "as in the checkpoints"),
        "batch": Dataset(("batch", "operands"), "int64", "the fixed pairs that every gradient is taken on"),
        "gradient/*": Dataset(
            ("steps", "params"),
            "float32",
            "loss gradient at each checkpoint, by operation; `gradient/total` is their sum where there are several",
        ),
        "update": Dataset(
            ("intervals", "params"), "float32", "difference of the attention slots between successive checkpoints"
        ),
    },
)

BASES = Schema(
    "bases",
    1,
    "bases",
    {
        "streams/*/gram": Dataset(("rows", "rows"), "float64", "Gram matrix of the stream's rows"),
        "streams/*/window-*/checkpoint": Dataset(
            ("windows",), "int64", "index of the checkpoint at which the window's basis is used"
        ),
        "streams/*/window-*/window_end": Dataset(("windows",), "int64", "last row of the window"),
        "streams/*/window-*/coefficients": Dataset(
            ("windows", "rank", "window"), "float64", "the basis, as coefficients over the window's rows"
        ),
        "streams/*/window-*/singular_values": Dataset(
            ("windows", "window"), "float64", "all singular values of the window, descending"
        ),
    },
)

CENTROIDS = Schema(
    "centroids",
    1,
    "centroids",
    {
        "steps": Dataset(("steps",), "int64", "step of each measured checkpoint"),
        "probes": Dataset(("probes", "operands"), "int64", "the fixed pairs (a, b)"),
        "centroids/*": Dataset(
            ("steps", "probes", "inputs"), "float32", "centroid of every probe, by operation"
        ),
    },
    shared_axes=frozenset({"steps", "probes", "inputs"}),
)
