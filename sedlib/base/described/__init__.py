"""Files that have a description beside them, tables among them: written whole, and believed only whole."""
