"""How many heads an attention module has, and where each of them lies in its weights.

Along the axis on which heads lie, a weight is a row of equal cells, each of one head and one role. With H heads of
queries, G of keys and values, and H/G queries to a key (grouped-query attention; G = 1 is multi-query attention):

- Q and O: Q₀ … Q_{H-1} and O₀ … O_{H-1}; K and V: K₀ … K_{G-1} and V₀ … V_{G-1};
- fused in blocks: Q₀ … Q_{H-1} K₀ … K_{G-1} V₀ … V_{G-1};
- fused in groups: Q₀ … Q_{H/G-1} K₀ V₀, then those of the next group.

Head h is Q_h and O_h, and K and V of its group, ⌊hG/H⌋, which it shares with the other heads of the group.
"""

from collections.abc import Iterable

from sedlib.slots.attention_modules import AttentionModule, Weight
from sedlib.slots.slot import Ranges
from sedlib.slots.structures import Order

COUNTS = ("num_heads", "n_heads", "n_head", "num_attention_heads", "heads")
SIZES = ("head_dim", "head_size", "attention_head_size", "key_value_proj_dim")


def head_count(attention: AttentionModule) -> int:
    """Number of heads H, as an attribute of the module or of its configuration says.

    Raises
    ------
    ValueError
        None says so, or it does not divide the weights.

    Examples
    --------
    >>> from torch import nn
    >>> from sedlib.slots.attention_modules import attention_modules
    >>> head_count(attention_modules(nn.MultiheadAttention(8, 4))[0])
    4
    """
    inputs = next(weight.shape[weight.head_axis] for weight in attention.weights if weight.roles == "O")
    said = [*attention.places, *(place.config for place in attention.places if hasattr(place, "config"))]
    counts = [count for one in said for name in COUNTS if isinstance(count := getattr(one, name, None), int)]
    sizes = [size for one in said for name in SIZES if isinstance(size := getattr(one, name, None), int)]
    count = counts[0] if counts else inputs // sizes[0] if sizes and sizes[0] else 0
    if not count:
        raise ValueError(
            f"attention module {attention.name!r}: how many heads it has cannot be told, "
            f"as neither it nor its config has one of: {', '.join((*COUNTS, *SIZES))}; leave heads out"
        )
    if count < 0 or inputs % count or (sizes and sizes[0] * count != inputs):
        raise ValueError(
            f"attention module {attention.name!r}: its {count} heads"
            f"{f' of size {sizes[0]}' if sizes else ''} do not make up the {inputs} inputs of its output weight"
        )
    return count


def head_ranges(attention: AttentionModule, heads: set[int]) -> list[Ranges]:
    """The rows or columns of each of its weights that belong to any of the ``heads``.

    Raises
    ------
    ValueError
        There is no such head, or where heads lie cannot be told.

    Examples
    --------
    >>> from torch import nn
    >>> from sedlib.slots.attention_modules import attention_modules
    >>> head_ranges(attention_modules(nn.MultiheadAttention(8, 4))[0], {1})
    [((2, 4), (10, 12), (18, 20)), ((2, 4),)]
    """
    count = head_count(attention)
    if wrong := sorted(head for head in heads if not 0 <= head < count):
        raise ValueError(f"attention module {attention.name!r} has heads 0 to {count - 1}, and no head {wrong[0]}")
    groups = _groups(attention, count)
    return [_ranges(weight, attention.order, heads, count, groups) for weight in attention.weights]


def _groups(attention: AttentionModule, count: int) -> int:
    """Number of heads of keys and values G, from the sizes of the weights."""
    lengths = {weight.roles: weight.shape[weight.head_axis] for weight in attention.weights}
    size = lengths["O"] // count
    holder = next((roles for roles in lengths if "V" in roles), "")
    cells, rest = divmod(lengths[holder], size)
    groups, odd = divmod(cells - count * ("Q" in holder), len(holder.replace("Q", "")))
    sizes_differ = "Q" in lengths and "K" in lengths and lengths["Q"] * groups != lengths["K"] * count
    if attention.order is Order.UNKNOWN or rest or odd or groups < 1 or count % groups or sizes_differ:
        shapes = ", ".join(f"{weight.name} {weight.shape}" for weight in attention.weights)
        raise ValueError(
            f"attention module {attention.name!r} of class {type(attention.places[-1]).__name__}: "
            f"where its {count} heads lie in its weights cannot be told ({shapes}); leave heads out"
        )
    return groups


def _ranges(weight: Weight, order: Order, heads: set[int], count: int, groups: int) -> Ranges:
    per_group = count // groups
    numbers = {"Q": count, "K": groups, "V": groups, "O": count}
    cells = [(role, number) for role in weight.roles for number in range(numbers[role])]
    if order is Order.GROUPS and len(weight.roles) > 1:
        cells.sort(key=lambda cell: (cell[1] // per_group if cell[0] == "Q" else cell[1], weight.roles.index(cell[0])))
    mine = {(role, head // per_group if role in "KV" else head) for head in heads for role in "QKVO"}
    width = weight.shape[weight.head_axis] // len(cells)
    return merged([(place * width, (place + 1) * width) for place, cell in enumerate(cells) if cell in mine])


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """What any of the ranges covers, as few ranges in order.

    Examples
    --------
    >>> merged([(4, 6), (0, 2), (2, 3)])
    ((0, 3), (4, 6))
    """
    found: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return tuple(found)
