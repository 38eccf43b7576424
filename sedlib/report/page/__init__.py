"""Writes the report's files, its page, and the documents with its numbers."""
