"""The forward pass of a reference, as such functions are published: the loss or output among what it returns.

Functions return `out, cache` or `loss, grads`; the derivation is that of the loss or output. What the function has in
its variables when it returns, nested in tuples, lists and dicts, can be passed to an answer: a cache, lists of
activations, constants.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from types import FrameType, FunctionType, MethodType
from typing import Any

import numpy as np

from chainrule.deriving import Derivation
from chainrule.grading.names import is_loss_name
from chainrule.ir import Declaration, Node, Program, ShapeError, SymbolicDim, bind_dim
from chainrule.trace import flatten, trace_formula, trace_with_structure, unwrap

_ASIDE = re.compile(r"_*(\w*cache\w*|grads?|gradients?|memory|ctx|context|saved|state|d[A-Z]\w*|dx|dw|db)", re.ASCII)
"""Names of returned values beside the loss or the output."""
_PLAIN = (Node, SymbolicDim, bool, int, float, str, np.generic, np.ndarray)
_FEW = 200
_SIZE = re.compile(r"(?<![:\w])[^\W\d]\w*")
"""The name of a size in a shape as text, and not that of a dtype."""


@dataclass(frozen=True)
class Forward:
    """A traced forward pass.

    `arguments` has the tree of inputs for each parameter; `held` the values of local variables, trees of nodes, sizes,
    numbers and texts, by name; `options` are constants given by keyword in its source, as in `stride=2`.
    """

    program: Program
    arguments: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def forward_of(
    against: Callable[..., Any] | Program | Derivation | str,
    shapes: Mapping[str, Any],
    declarations: Sequence[Declaration] = (),
) -> Forward:
    """Trace a reference; raise TraceError, ShapeError or FormulaError if that is impossible.

    Of a formula, the shapes that are not given are inferred such that the declared properties are possible.
    """
    if isinstance(against, Derivation):
        return Forward(against.record.traced)
    if isinstance(against, Program):
        return Forward(against)
    if isinstance(against, str):
        return Forward(trace_formula(against, shapes, None, declarations))
    watched = _Watched(against)
    try:
        found = trace_with_structure(watched.function, **shapes)
    except ShapeError:
        fitted = (_traced(watched, fitting) for fitting in _fitting(against, shapes))
        first = next((each for each in fitted if each is not None), None)
        if first is None:
            raise
        found = first
    return Forward(found.program, found.arguments, watched.held, _options(watched.tree))


def _traced(watched: _Watched, shapes: Mapping[str, Any]) -> Any:
    """Trace a function; return None if sizes do not fit."""
    try:
        return trace_with_structure(watched.function, **shapes)
    except ShapeError:
        return None


def _fitting(function: Callable[..., Any], shapes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield shapes with the sizes of arrays, which the instance of a method holds, in the place of one or two names."""
    if not isinstance(function, MethodType):
        return
    arrays = [value for value in vars(function.__self__).values() if isinstance(value, np.ndarray)]
    sizes = sorted({size for array in arrays for size in array.shape})
    texts = {name: text for name, text in shapes.items() if isinstance(text, str)}
    names = sorted({name for text in texts.values() for name in _SIZE.findall(text)})
    for count in (1, 2):
        for chosen in itertools.combinations(names, count):
            for numbers in itertools.product(sizes, repeat=count):
                put = partial(_number, dict(zip(chosen, map(str, numbers), strict=True)))
                yield {**shapes, **{name: _SIZE.sub(put, text) for name, text in texts.items()}}


def _number(numbers: Mapping[str, str], found: re.Match[str]) -> str:
    return numbers.get(found[0], found[0])


class _Watched:
    """A function whose local variables are kept, and of whose results only the loss or the output is returned."""

    def __init__(self, function: Callable[..., Any]) -> None:
        plain = function.__func__ if isinstance(function, MethodType) else function
        self.function = function
        self.tree: ast.FunctionDef | None = None
        self.held: dict[str, Any] = {}
        if not isinstance(plain, FunctionType):
            return
        self._code = inspect.unwrap(plain).__code__
        self.tree = _definition(plain)

        @wraps(plain)
        def main(*arguments: Any, **options: Any) -> Any:
            with self._watching():
                returned = plain(*arguments, **options)
            return _main_result(returned, self._names(), [*arguments, *options.values()])

        self.function = MethodType(main, function.__self__) if isinstance(function, MethodType) else main

    def _names(self) -> list[str]:
        """Return the names of what the function returns, as written at its end."""
        returns = [] if self.tree is None else [n for n in ast.walk(self.tree) if isinstance(n, ast.Return)]
        value = max(returns, key=lambda node: node.lineno).value if returns else None
        elements = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        return [element.id if isinstance(element, ast.Name) else "" for element in elements]

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Keep the local variables of the function, and those that a single inner call has, when they return."""
        folder = os.path.dirname(self._code.co_filename)
        inner: dict[str, Any] = {}
        twice: set[str] = set()
        before = sys.getprofile()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event != "return" or os.path.dirname(frame.f_code.co_filename) != folder:
                return
            if frame.f_code is self._code:
                self.held = {**inner, **_kept(frame.f_locals)}
            elif frame.f_code.co_name.isidentifier() and len(inner) < _FEW:
                for name, value in _kept(frame.f_locals).items():
                    if name in inner or name in twice:
                        inner.pop(name, None)
                        twice.add(name)
                    else:
                        inner[name] = value

        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(before)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that hold values of the pass and constants alone."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        leaves = [unwrap(leaf) for leaf in _leaves(value)]
        if name != "self" and 0 < len(leaves) <= _FEW and all(isinstance(leaf, _PLAIN) for leaf in leaves):
            kept[name] = mapped(unwrap, value)
    return kept


def _main_result(returned: Any, names: list[str], arguments: list[Any]) -> Any:
    """Return the loss, or else the outputs, among the returned values."""
    if not isinstance(returned, tuple | list) or hasattr(returned, "_fields"):
        return _as_number(returned, names[0] if len(names) == 1 else "")
    names = names if len(names) == len(returned) else [""] * len(returned)
    pairs = list(zip(returned, names, strict=True))
    given = {id(unwrap(leaf)) for leaf in flatten(arguments)[0]}
    own = [
        (value, name)
        for value, name in pairs
        if isinstance(unwrap(value), Node | float) and id(unwrap(value)) not in given
        if not _ASIDE.fullmatch(name)
    ]
    numbers = [pair for pair in own if _is_number(*pair)]
    losses = [pair for pair in numbers if is_loss_name(pair[1])]
    if losses or (numbers and numbers[0] is own[0]):
        return _as_number(*(losses or numbers)[0])
    if len(own) == len(pairs) or not own:
        return returned
    return own[0][0] if len(own) == 1 else tuple(value for value, _ in own)


def _is_number(value: Any, name: str) -> bool:
    node = unwrap(value)
    return isinstance(node, Node) and (not node.type.ndim or (is_loss_name(name) and set(node.type.shape) == {1}))


def _as_number(value: Any, name: str) -> Any:
    """Return a loss of shape (1, 1) as a number."""
    return value.sum() if _is_number(value, name) and unwrap(value).type.ndim else value


def _definition(function: FunctionType) -> ast.FunctionDef | None:
    """Return the syntax tree of a function, or None if its source is unknown."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)


def _options(tree: ast.FunctionDef | None) -> dict[str, Any]:
    """Return the numbers and texts that calls in a function are given by keyword."""
    calls = [] if tree is None else [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        keyword.arg: keyword.value.value
        for call in calls
        for keyword in call.keywords
        if keyword.arg is not None and isinstance(keyword.value, ast.Constant)
        if type(keyword.value.value) in (int, float, str)
    }


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to every leaf of nested lists, tuples and dicts."""
    if isinstance(tree, dict):
        return {key: mapped(function, item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [mapped(function, item) for item in tree]
    if isinstance(tree, tuple):
        return tuple(mapped(function, item) for item in tree)
    return function(tree)


def _leaves(tree: Any) -> list[Any]:
    found: list[Any] = []
    mapped(found.append, tree)
    return found


def held_nodes(tree: Any) -> list[Node]:
    """Return the nodes among the leaves of a tree."""
    return [leaf for leaf in _leaves(tree) if isinstance(leaf, Node)]


def valued(tree: Any, values: Mapping[Node, Any], sizes: Mapping[str, int]) -> Any:
    """Return a tree with the values of its nodes and sizes."""

    def value(leaf: Any) -> Any:
        if isinstance(leaf, Node):
            return np.array(values[leaf])
        return bind_dim(leaf, sizes) if isinstance(leaf, SymbolicDim) else leaf

    return mapped(value, tree)
