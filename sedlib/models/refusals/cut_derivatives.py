"""Which submodules of a network cut a derivative off, or give it in another form."""

from torch import nn


def without_derivative(module: nn.Module) -> list[str]:
    """Names of quantised submodules, through which PyTorch takes no derivative.

    Examples
    --------
    >>> without_derivative(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    []
    """
    return [name or type(part).__name__ for name, part in module.named_modules() if _is_quantised(part)]


def sparse_embeddings(module: nn.Module) -> list[str]:
    """Names of embeddings whose gradients are sparse.

    Examples
    --------
    >>> sparse_embeddings(nn.ModuleDict({"tokens": nn.Embedding(3, 2, sparse=True), "places": nn.Embedding(3, 2)}))
    ['tokens']
    """
    embeddings = (nn.Embedding, nn.EmbeddingBag)
    return [
        name or type(part).__name__
        for name, part in module.named_modules()
        if isinstance(part, embeddings) and part.sparse
    ]


def _is_quantised(module: nn.Module) -> bool:
    home = type(module).__module__
    return home.startswith(("torch.ao.nn.", "torch.nn.")) and ".quantized" in home
