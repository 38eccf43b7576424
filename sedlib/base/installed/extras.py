"""The name of the distribution, and which of its extras brings a module that is missing.

The base install is the library: what it measures, its networks and checkpoints, its selftest. Extras are for those who
want more, and no module of theirs is imported before it is needed.
"""

import sys
from types import TracebackType

DISTRIBUTION = "spectral-edge-diagnostics"
"""What pip calls sedlib. On the public index ``sedlib`` is another package, of astronomy."""
EXTRAS = {
    "pipeline": frozenset(
        {"dvc", "dvc_data", "jinja2", "markupsafe", "networkx", "tabulate", "vl_convert", "voluptuous"}
    ),
    "cluster": frozenset({"bokeh", "cryptography", "dask", "distributed", "packaging", "rich"}),
    "huggingface": frozenset({"accelerate", "transformers"}),
}
"""The modules that each extra brings, as they are imported; pyproject.toml has the distributions that hold them."""
INSTEAD = {"cluster": ", or use plain `dvc repro`"}
"""What does without an extra."""


def what_to_install(error: ImportError) -> str | None:
    """A sentence that says which extra brings the module that an import missed; None where none does.

    >>> what_to_install(ModuleNotFoundError("No module named 'distributed'", name="distributed"))
    "distributed is not installed: run `pip install 'spectral-edge-diagnostics[cluster]'`, or use plain `dvc repro`"
    """
    for missed in (error, error.__cause__):  # pandas raises its own error from the one that has the name
        if isinstance(missed, ModuleNotFoundError):
            for extra, modules in EXTRAS.items():
                if missed.name in modules:
                    command = f"pip install '{DISTRIBUTION}[{extra}]'"
                    return f"{missed.name} is not installed: run `{command}`{INSTEAD.get(extra, '')}"
    return None


def say_what_to_install(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """In place of ``sys.excepthook``: the sentence where an extra is missing, else the traceback."""
    sentence = what_to_install(error) if isinstance(error, ImportError) else None
    if sentence is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(f"error: {sentence}", file=sys.stderr)
