"""What is noted on a statement of an answer; copies of the statement keep it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

_ATTRIBUTE = "_mark"
_LEAVES = frozenset({"ctx", "op", "ops"})
"""Fields whose nodes are shared by all trees and have no place in the source."""


@dataclass(frozen=True)
class Mark:
    """The number of the unit that a statement is, what it is shown as, and whether it is to be no unit.

    `hidden` is a variable returned as it is.
    """

    unit: int | None = None
    shown: str | None = None
    silent: bool = False
    hidden: bool = False


_UNMARKED = Mark()


def mark_of(node: ast.AST) -> Mark:
    """What is noted on `node`."""
    found = getattr(node, _ATTRIBUTE, None)
    return found if isinstance(found, Mark) else _UNMARKED


def located(node: ast.AST, line: int = 1) -> None:
    """Give the nodes that have no place in the source that of the node they are in.

    It is `ast.fix_missing_locations` by lines alone, in a third of its time: a search compiles thousands of statements.
    """
    attributes = vars(node)
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
    """Note `mark` on a statement, in the place of what was."""
    setattr(statement, _ATTRIBUTE, mark)
