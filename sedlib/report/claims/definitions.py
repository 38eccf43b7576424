"""The definitions that claims are judged under, where a paper's text and its released scripts part."""

TEXT = "text"
WEIGHTS, STOP_STEP = "weights' directions", "stop step"
LATE, PERMUTED, THIRD_EVALUATION = "last five checkpoints", "over permuted answers", "third evaluation"
DEFINITIONS = {
    TEXT: "what the paper's text says, as docs/method.md has it; its verdict is the claim's",
    WEIGHTS: "the share of a commutator in the singular directions of the attention matrices at that checkpoint, "
    "before 90 % test accuracy, where the text has principal components of the trajectory (the companion's scripts)",
    STOP_STEP: "the step of the 20th evaluation with at least 98 % test accuracy, at which the paper's scripts stop, "
    "where the text has the step at which a run groks; a run that stops earlier here is taken to stay accurate",
    LATE: "the median over the last five measured checkpoints, where the text has the largest of all: rounding and a "
    "gradient batch's seed move one checkpoint by 20 to 50 %, and the median little (ours)",
    PERMUTED: "R̄ of the gradient over R̄ of gradients on permuted answers, the median up to the grok step, where the "
    "text has R̄ over random directions alone (ours)",
    THIRD_EVALUATION: "the trajectory up to the third evaluation in a row, every 100 steps, with at least 98 % test "
    "accuracy, at which the companion's scripts stop, where a run here goes on",
}
"""By name, what each is."""
