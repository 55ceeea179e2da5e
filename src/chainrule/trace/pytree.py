"""Pytrees: nested containers (dict, list, tuple, named tuple, record, None), flattened and rebuilt.

A record is an instance of a dataclass or of an attrs class, or a `SimpleNamespace`; it is rebuilt field by field,
without calling its class. Everything else is a leaf. A dict keeps its insertion order; None has no leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead from a tree to a leaf."""


@dataclass(frozen=True)
class TreeStructure:
    """The structure of a tree without its leaves; `kind` is None for a leaf."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    children: tuple[TreeStructure, ...] = ()

    @property
    def leaf_count(self) -> int:
        return 1 if self.kind is None else sum(child.leaf_count for child in self.children)


IsLeaf: TypeAlias = Callable[[Any], bool]


def flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], TreeStructure]:
    """Return the leaves of `tree` in order, and its structure; `is_leaf` marks further values as leaves.

    >>> flatten({"W": [1.0, 2.0], "b": None})[0]
    [1.0, 2.0]
    """
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves, is_leaf or _never)


def _never(value: Any) -> bool:
    return False


def flatten_with_paths(tree: Any) -> list[tuple[Path, Any]]:
    """Return the leaves of `tree` in order, each with its path."""
    leaves, structure = flatten(tree)
    return list(zip(paths(structure), leaves, strict=True))


def paths(structure: TreeStructure) -> list[Path]:
    """Return the path of each leaf, in order."""
    return list(_paths(structure, ()))


def unflatten(structure: TreeStructure, leaves: Sequence[Any]) -> Any:
    """Rebuild a tree of the given structure from leaves; raise ValueError if their number does not match."""
    if structure.leaf_count != len(leaves):
        raise ValueError(f"a tree of {structure.leaf_count} leaves cannot be made of {len(leaves)}")
    return _put_together(structure, iter(leaves))


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf of `tree`."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def is_record(value: Any) -> bool:
    """Whether `value` is an instance of a dataclass or an attrs class, or a namespace."""
    kind = type(value)
    return kind is SimpleNamespace or is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")


def _field_names(record: Any) -> tuple[str, ...]:
    """The fields that have a value."""
    if isinstance(record, SimpleNamespace):
        return tuple(vars(record))
    names = [field.name for field in (fields(record) if is_dataclass(record) else record.__attrs_attrs__)]
    return tuple(name for name in names if hasattr(record, name))


def _take_apart(tree: Any, leaves: list[Any], is_leaf: IsLeaf) -> TreeStructure:
    if tree is None:
        return TreeStructure(type(None))
    if isinstance(tree, dict):
        children = tuple(_take_apart(child, leaves, is_leaf) for child in tree.values())
        return TreeStructure(dict, tuple(tree), children)
    if isinstance(tree, list | tuple) and not is_leaf(tree):
        kind = list if isinstance(tree, list) else type(tree) if hasattr(tree, "_fields") else tuple
        return TreeStructure(
            kind, tuple(range(len(tree))), tuple(_take_apart(child, leaves, is_leaf) for child in tree)
        )
    if is_record(tree) and not is_leaf(tree):
        names = _field_names(tree)
        children = tuple(_take_apart(getattr(tree, name), leaves, is_leaf) for name in names)
        return TreeStructure(type(tree), names, children)
    leaves.append(tree)
    return TreeStructure(None)


def _put_together(structure: TreeStructure, leaves: Iterator[Any]) -> Any:
    if structure.kind is None:
        return next(leaves)
    if structure.kind is type(None):
        return None
    children = [_put_together(child, leaves) for child in structure.children]
    if structure.kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    if not issubclass(structure.kind, list | tuple):
        record = SimpleNamespace() if structure.kind is SimpleNamespace else object.__new__(structure.kind)
        for name, child in zip(structure.keys, children, strict=True):
            object.__setattr__(record, name, child)  # works for frozen ones too
        return record
    return structure.kind(*children) if hasattr(structure.kind, "_fields") else structure.kind(children)


def _paths(structure: TreeStructure, path: Path) -> Iterator[Path]:
    if structure.kind is None:
        yield path
    for key, child in zip(structure.keys, structure.children, strict=True):
        yield from _paths(child, (*path, key))
