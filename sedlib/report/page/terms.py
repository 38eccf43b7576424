"""The words that a reader of the page needs: what docs/glossary.md says at length."""

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "centroid, feature": "The centroid at an input is the gradient of the right answer's logit by the embedded input. "
    "A centroid stands for the feature that the network uses at the input. The simplified centroid takes the right "
    "answer's logit, the full centroid the sum of all logits.",
    "direction": "A unit vector in the space of the attention weights.",
    "SED, basis, W": "Spectral edge dynamics: the three top singular vectors of a window of W rows are the basis. "
    "The rows are gradients of the loss, or updates between checkpoints. With W = 1 the basis is one row alone.",
    "coupling ratio R̄": "How much the centroids move along the directions of a basis, in mean square, divided by how "
    "much they move along a random direction. R₁ is the ratio of the first direction alone. Over a run: the peak is "
    "the largest ratio, the plateau the median before grokking, final the last.",
    "grok step": "The first checkpoint at which 98 % of the held-out pairs are answered correctly.",
    "control, speed-up": "The control trains with whole steps. A speed-up is the control's grok step divided by the "
    "grok step of a network that trains with a part of each step.",
    "before, after projection": "The steps from which the SED basis is taken: as the optimizer computes them, or as "
    "they are once a part was kept or removed.",
    "commutator defect": "How far two gradient steps are from giving the same result in either order: a measure of "
    "curvature.",
    "execution basis": "The first two principal components of each attention matrix's trajectory.",
    "n": "The number of seeds, or of runs where the word stands beside it.",
}
"""Terms in the order in which the page uses them."""

TABLES: Mapping[str, str] = {
    "table1-single-task": "grok steps and coupling ratios of networks of one operation, beside Table 1 of the paper",
    "table2-ablations": "the coupling ratio under other windows, ranks, batches and centroids, beside Table 2",
    "table3-single-checkpoint": "per-example gradients of one checkpoint, beside Table 3",
    "table4-update-projection": "grok steps with a part of each update kept or removed, beside Table 4",
    "table5-gradient-projection": "grok steps with a part of each gradient kept or removed, beside Table 5",
    "multitask": "grok steps and coupling ratios of networks of four operations",
    "ladder": "mean coupling ratio before grokking, from the gradient to the update, run by run",
    "centroids": "rank of the centroids at three phases of training",
    "rank-curve": "grok step by the number of attention coordinates that may move",
    "weight-decay-0": "which conditions grok without weight decay",
    "permuted": "coupling ratio of the gradient over that of gradients on permuted answers, seed by seed",
    "costs": "time, processor time and memory of each kind of stage",
    "geometry": "principal components, commutator defect and execution basis, operation by operation",
    "leads": "how many steps the commutator defect rises before held-out accuracy",
    "defect-growth": "growth of the commutator defect, run by run",
    "gap-against-defect": "which changes first, the spectral gap of the update or the commutator defect",
    "controls": "runs that no claim is about: another operation, or a weight decay of their own",
    "fresh-seeds": "seeds on which nothing was developed, beside the paper's seeds",
}
"""What a table shows, by its name."""
