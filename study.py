"""The study of this folder: the paper's. Every stage takes it from here; another study is another such file."""

from sedlib.grokking.study import Grokking as Study

__all__ = ["Study"]
