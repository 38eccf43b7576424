"""How runs of a study become checkpoint files: trained in the study's loop, or taken from somebody's files."""
