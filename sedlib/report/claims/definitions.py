"""The definitions that claims are judged under, where a paper's text and its released scripts part."""

TEXT = "text"
WEIGHTS, STOP_STEP = "weights' directions", "stop step"
LATE, PLATEAU = "last five checkpoints", "plateau"
PERMUTED, THIRD_EVALUATION = "over permuted answers", "third evaluation"
MEMORISED, FIRST_LAYER = "weights' directions, memorised", "third evaluation, first layer"
DEFINITIONS = {
    TEXT: "what the paper's text says, as docs/method.md has it; its verdict is the claim's",
    WEIGHTS: "the share of a commutator in the singular directions of the attention matrices at that checkpoint, "
    "before 90 % test accuracy, where the text has principal components of the trajectory (the companion's scripts)",
    MEMORISED: "as weights' directions, but of the phase of which the paper's range is: at least 95 % training "
    "accuracy and less than 30 % test accuracy, where the text names no phase (the companion's scripts)",
    STOP_STEP: "the step of the 20th evaluation with at least 98 % test accuracy, at which the paper's scripts stop, "
    "where the text has the step at which a run groks; a run that stops earlier here is taken to stay accurate",
    LATE: "the median over the last five measured checkpoints, where the text has the largest of all; another "
    "processor moves it as far as the peak (ours)",
    PLATEAU: "the median over the measured checkpoints up to the grok step, where the text has the largest of all; "
    "another processor moves plateaus of runs of one operation by 8 % at most, and peaks by up to 57 % (ours)",
    PERMUTED: "R̄ of the gradient over R̄ of gradients on permuted answers, the median up to the grok step, where the "
    "text has R̄ over random directions alone (ours)",
    THIRD_EVALUATION: "the trajectory up to the third evaluation in a row, every 100 steps, with at least 98 % test "
    "accuracy, at which the companion's scripts stop, where a run here goes on",
    FIRST_LAYER: "as third evaluation, the four matrices of the first layer, of which the paper's 68 to 83 % is, where "
    "the text has all matrices (the companion's scripts)",
}
"""By name, what each is."""
