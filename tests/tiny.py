"""A run that takes a second: the parameters of all tests that train."""

from typing import Any

TINY: dict[str, Any] = {
    "window": 3,
    "rank": 2,
    "measured_checkpoints": 4,
    "gradient_batch": {"size": 20, "seed": 0, "pairs": "all"},
    "dump": {"dtype": "float32"},
    "probes": {"count": 16, "seed": 0},
    "random_directions": {"count": 3, "seed": 0},
    "alignment": "trailing",
    "centroid": "logit",
    "grok_threshold": 0.98,
    "response": {"kind": "difference", "epsilon": 0.005},
    "ablation": {
        "runs": [],
        "window": [1, 3],
        "rank": [1, 2],
        "alignment": ["trailing", "forward"],
        "batch_size": [10, 20],
        "batch_seed": [0, 1],
        "batch_pairs": ["all", "test"],
        "epsilon": [0.001, 0.005],
        "response": ["difference", "jvp"],
        "probe_seed": [0, 1],
        "probe_count": [8, 16],
        "centroid": ["logit", "full"],
    },
    "single_step": {"runs": []},
    "interventions": {
        "window": 4,
        "rank": 2,
        "target": "attention",
        "runs": [],
        "varied_runs": [],
        "coordinates": [],
    },
    "model": {"d_model": 8, "heads": 2, "d_ff": 16, "layers": 2},
    "data": {"p": 7, "train_fraction": 0.5},
    "optimizer": {"lr": 0.01, "betas": [0.9, 0.98], "weight_decay": 1.0, "batch_size": 32, "clip_norm": 1.0},
    "stopping": {"accuracy": 0.98, "checkpoints": 20},
    "runs": {
        "add-1": {"ops": ["add"], "seed": 1, "checkpoint_every": 5, "max_steps": 40},
        "both-1": {"ops": ["add", "mul"], "seed": 1, "checkpoint_every": 5, "max_steps": 40},
    },
}
