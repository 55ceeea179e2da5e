"""What is noted on a statement of an answer; copies of the statement keep it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

_ATTRIBUTE = "_mark"


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


def put_mark(statement: ast.stmt, mark: Mark) -> None:
    """Note `mark` on a statement, in the place of what was."""
    setattr(statement, _ATTRIBUTE, mark)
