"""Shapes and dtypes in annotations are checked at every call, in tests only."""

from jaxtyping import install_import_hook

hook = install_import_hook("sedlib", "beartype.beartype")
