"""What an HDF5 file may hold: numbers that lie in it, and short texts. Everything else is refused unread.

HDF5 can do much more: read its values from other files, compute them, unpack them to a thousand times their size, name
one thing twice, hold pieces of programs' memory. A file that somebody sent needs none of it.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
from h5py import h5a, h5d, h5l, h5o, h5s, h5t
from h5py.h5d import DatasetID
from h5py.h5g import GroupID

DEPTH = 8
"""Folders within folders, at most."""
MEMBERS = 100_000
"""Groups and datasets of a file, at most."""
ATTRIBUTES = 8
"""Of the file itself, at most; a dataset has one, its axes."""
TEXTS = 2**21
"""Bytes of all texts, names and tables of contents of a file, at most, and for each chunk of values …"""
PER_CHUNK = 256
LARGEST_CHUNK = 2**22
"""Bytes of a chunk, at most: it is read whole."""


class ForeignContentError(ValueError):
    """A file holds what none of sedlib's holds; the message names it."""


def listing(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every dataset of an open file by its name, none of whose values have been read.

    Raises
    ------
    ForeignContentError
        The file holds anything but groups, datasets of numbers that lie in it as they are, and single texts; or more
        bytes than those datasets fill.
    """
    datasets: dict[str, h5py.Dataset] = {}
    seen = {_address(file.id)}
    _require_texts(file.id, "the file", ATTRIBUTES)
    for name, node in _members(file.id, "", DEPTH):
        if len(seen) == MEMBERS:
            raise ForeignContentError(f"more than {MEMBERS:,} groups and datasets")
        if (address := _address(node)) in seen:
            raise ForeignContentError(f"{name!r}, which is another member under a second name")
        seen.add(address)
        is_dataset = isinstance(node, DatasetID)
        _require_texts(node, repr(name), allowed=1 if is_dataset else 0)
        if is_dataset:
            _require_plain(node, name)
            datasets[name] = h5py.Dataset(node)
    _require_nothing_more(file, datasets)
    return datasets


def _members(group: GroupID, folder: str, depth: int) -> Iterator[tuple[str, GroupID | DatasetID]]:
    if depth == 0:
        raise ForeignContentError(f"groups more than {DEPTH} deep in {folder!r}")
    for raw in group:
        name = folder + _decoded(raw)
        kind = group.links.get_info(raw).type
        if kind != h5l.TYPE_HARD:
            raise ForeignContentError(
                f"{name!r}, a link to {'another file' if kind == h5l.TYPE_EXTERNAL else 'a name'}"
            )
        node = h5o.open(group, raw)
        if not isinstance(node, (GroupID, DatasetID)):
            raise ForeignContentError(f"{name!r}, which is neither a group nor a dataset")
        yield name, node
        if isinstance(node, GroupID):
            if node.get_num_objs() == 0:
                raise ForeignContentError(f"{name!r}, an empty group")
            yield from _members(node, f"{name}/", depth - 1)


def _require_texts(node: GroupID | DatasetID, name: str, allowed: int) -> None:
    """Attributes are single texts; their length is part of what ``_require_nothing_more`` counts."""
    if (count := h5a.get_num_attrs(node)) > allowed:
        raise ForeignContentError(f"{count:,} attributes of {name}, more than {allowed}")
    for index in range(count):
        attribute = h5a.open(node, index=index)
        kind = attribute.get_type()
        text = isinstance(kind, h5t.TypeStringID) and kind.is_variable_str() and not kind.committed()
        if not text or attribute.get_space().get_simple_extent_type() != h5s.SCALAR:
            raise ForeignContentError(f"attribute {_decoded(attribute.name)!r} of {name}, which is not a single text")


def _require_plain(dataset: DatasetID, name: str) -> None:
    how, kind, space = dataset.get_create_plist(), dataset.get_type(), dataset.get_space()
    if how.get_layout() == h5d.VIRTUAL:
        raise ForeignContentError(f"dataset {name!r} made of other datasets (virtual)")
    if how.get_external_count():
        raise ForeignContentError(f"dataset {name!r} whose values lie in another file (external storage)")
    if how.get_nfilters():
        raise ForeignContentError(f"dataset {name!r} stored through a filter ({_filter(how)}), such as compression")
    if not isinstance(kind, (h5t.TypeIntegerID, h5t.TypeFloatID)) or kind.committed():
        raise ForeignContentError(f"dataset {name!r} of {type(kind).__name__.removesuffix('ID')}, not of plain numbers")
    if space.get_simple_extent_type() != h5s.SIMPLE:
        raise ForeignContentError(f"dataset {name!r} without axes")
    shape, size = space.get_simple_extent_dims(), kind.get_size()
    if 0 in shape:
        raise ForeignContentError(f"dataset {name!r} of shape {shape}, which has no values")
    if how.get_layout() == h5d.CHUNKED:
        chunk = how.get_chunk()
        if (length := math.prod(chunk) * size) > LARGEST_CHUNK:
            raise ForeignContentError(f"dataset {name!r} in chunks of {length:,} bytes, more than {LARGEST_CHUNK:,}")
        chunks = math.prod(-(-along // step) for along, step in zip(shape, chunk, strict=True))
        if (there := dataset.get_num_chunks()) != chunks:
            raise ForeignContentError(f"dataset {name!r} of {chunks:,} chunks, of which {there:,} are in the file")
    elif (there := dataset.get_storage_size()) != (values := math.prod(shape) * size):
        raise ForeignContentError(f"dataset {name!r} of {values:,} bytes, of which {there:,} are in the file")


def _require_nothing_more(file: h5py.File, datasets: dict[str, h5py.Dataset]) -> None:
    """A text can be as long as the file; so the file must be little longer than its numbers."""
    size = Path(file.filename).stat().st_size
    numbers = sum(dataset.id.get_storage_size() for dataset in datasets.values())
    chunks = sum(dataset.id.get_num_chunks() for dataset in datasets.values() if dataset.chunks)
    if size - numbers > (allowed := TEXTS + PER_CHUNK * chunks):
        raise ForeignContentError(f"{size - numbers:,} bytes beside its numbers, more than {allowed:,}")


def _address(node: GroupID | DatasetID) -> int:
    return h5o.get_info(node).addr


def _filter(how: h5py.h5p.PropDCID) -> str:
    code, _, _, name = how.get_filter(0)
    return _decoded(name) or str(code)


def _decoded(raw: bytes) -> str:
    return raw.decode(errors="replace")
