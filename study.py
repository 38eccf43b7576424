"""The study of this folder: the paper's. Every stage takes it from here; docs/extending.md shows how to write one."""

from sedlib.grokking.study import Grokking as Study

__all__ = ["Study"]
