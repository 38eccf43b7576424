"""Shapes and dtypes in annotations are checked at every call, in tests only; one thread, as arrays are tiny."""

import torch
from jaxtyping import install_import_hook

hook = install_import_hook("sedlib", "beartype.beartype")
torch.set_num_threads(1)
