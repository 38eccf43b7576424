"""The paper's tables, and the new ones."""
