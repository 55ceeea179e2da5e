"""What a reader types into a page: a formula, which is parsed, or the source of a function, which runs in the cage."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence

from chainrule.cage import Limits, caged
from chainrule.deriving import Derivation, derive
from chainrule.interchange import program_from_json
from chainrule.words import ChainruleError

_TITLE = "the function"
_FILE = "function.py"
_LIMITS = Limits(seconds=10.0)


class AskedError(ChainruleError, ValueError):
    """The text that was typed is neither a formula nor the source of a function."""


def derivation_of(text: str, wrt: Sequence[str] | None = None) -> Derivation:
    """Return the derivation of a formula, or of the last function that `text` defines.

    Code is run only in a process of its own, with the limits of an answer to be graded. What comes back is a program as
    plain data, whose types are inferred again.

    Raises ChainruleError if the text is neither, and for a function that cannot be traced or derived.
    """
    if not text.strip():
        raise AskedError("nothing was typed; write a formula such as sum((X @ w - y)^2), or a function in NumPy")
    name = _defined(text)
    if name is None:
        return derive(text.strip(), wrt)
    with caged(_TITLE, _LIMITS) as process:
        process.call("load_file", _FILE, text.encode(), name)
        program, tensors = process.call("traced")
    derivation = derive(program_from_json(json.loads(program), tensors), wrt)
    derivation.name = name
    return derivation


def _defined(text: str) -> str | None:
    """Return the name of the last function that source defines; None for a formula. The source is not run."""
    if "def " not in text:
        return None
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise AskedError(f"line {error.lineno} of the function is no Python: {error.msg}") from None
    names = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
    if not names:
        raise AskedError("the text defines no function; begin one with def loss(X, y, W):")
    return names[-1]
