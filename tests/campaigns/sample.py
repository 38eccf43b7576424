"""A small HDF5 artifact with every kind of dataset that sedlib writes, and a sealed file of any bytes."""

from pathlib import Path

import numpy as np

from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.hdf5.growing import append, growing
from sedlib.base.hdf5.seal import USER_BLOCK, seal
from sedlib.pipeline.artifacts import ArtifactSchema

SCHEMA = ArtifactSchema(
    "sample",
    1,
    {
        "steps": Dataset(("steps",), "int64", "grows", increasing=True, least=0),
        "rows/half": Dataset(("steps", "params"), "bfloat16", "grows"),
        "rows/whole": Dataset(("steps", "params"), "float32", "grows"),
        "parts/x": Dataset((2, "length"), "float64", "whole at once"),
        "parts/chosen": Dataset(("chosen",), "int64", "whole at once", least=0, below="steps"),
    },
    attributes={"run": '{"seed": 1}', "layout": '{"w": [3]}', "settings": None},
    shared_axes=frozenset({"steps"}),
    lengths={"params": 3},
    stage="make",
)


def write_sample(path: Path) -> None:
    """Write it."""
    with SCHEMA.create(path, {"settings": "{}"}) as file:
        steps = growing(file, "steps", (), "int64")
        whole, half = growing(file, "rows/whole", (3,)), growing(file, "rows/half", (3,), "bfloat16")
        for step in range(4):
            append(steps, step)
            for rows in (whole, half):
                append(rows, np.array([step, 1, 2], np.float32))
        file["parts/x"] = np.arange(6.0).reshape(2, 3)
        file["parts/chosen"] = np.array([0, 3])


def write_sealed(path: Path, content: bytes) -> None:
    """Write ``content`` after a user block with its seal, as a forger would."""
    path.write_bytes(bytes(USER_BLOCK) + content)
    seal(path)
