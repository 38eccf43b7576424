"""Scripts of the stages that only a study of one's own has; stages/ has those that it shares with the paper's."""
