"""The few numbers that a run is summed up in, as JSON."""

from sedlib.base.described.description import FileKind

SUMMARY = FileKind("summary", 1, "figures")
