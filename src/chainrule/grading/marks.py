"""Annotations of statements of an answer, which their copies keep."""

from __future__ import annotations

import ast
from dataclasses import dataclass

_ATTRIBUTE, _LOCATED = "_mark", "_located"
_LEAVES = frozenset({"ctx", "op", "ops"})
"""Fields whose nodes are shared by all trees and have no location in the source."""


@dataclass(frozen=True)
class Mark:
    """The number of a statement's unit, its shown text, and whether it is excluded from units.

    `hidden` is a variable returned unchanged; `changed` is the variable that a call changes in place.
    """

    unit: int | None = None
    shown: str | None = None
    silent: bool = False
    hidden: bool = False
    changed: str | None = None


_UNMARKED = Mark()


def mark_of(node: ast.AST) -> Mark:
    """Return the annotation of `node`."""
    found = getattr(node, _ATTRIBUTE, None)
    return found if isinstance(found, Mark) else _UNMARKED


def located(node: ast.AST, line: int = 1) -> None:
    """Give nodes without a location that of their parent.

    It is `ast.fix_missing_locations` for lines only, in a third of its time: a search compiles thousands of statements,
    which share most of their nodes. A node is visited once; a copy, which has another identity, is visited again.
    """
    attributes = vars(node)
    if attributes.get(_LOCATED) == id(node):
        return
    attributes[_LOCATED] = id(node)
    line = attributes.setdefault("lineno", line)
    attributes.setdefault("end_lineno", line)
    attributes.setdefault("end_col_offset", attributes.setdefault("col_offset", 0))
    for name, value in list(attributes.items()):
        if name in _LEAVES:
            continue
        if isinstance(value, ast.AST):
            located(value, line)
        elif type(value) is list:
            for item in value:
                if isinstance(item, ast.AST):
                    located(item, line)


def put_mark(statement: ast.stmt, mark: Mark) -> None:
    """Replace the annotation of a statement."""
    setattr(statement, _ATTRIBUTE, mark)
