"""Specifications of argument shapes.

A leaf is one of

- a string of sizes separated by spaces, `"n d"` or `"4 2"` (`""` is a scalar), optionally followed by properties of the
  values, `"n n sym"`, and by a colon and a dtype: `"n d:float32"`, `"n:int"`, `"n:bool"`; the default is float64;
- a tuple of sizes, `(4, 2)`, `("n", 2)` or `("n", "d")`;
- an array, or any object with a shape and a dtype;
- a number: a scalar, int64 for an int.

Leaves may be nested in dicts, lists and tuples. None, bools and functions are not inputs and are passed through.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir import (
    SHORT_WORDS,
    ArrayType,
    Dim,
    DType,
    Property,
    Shape,
    ShapeError,
    SymbolicDim,
    named_dim,
    parse_shape,
    refuse_subclass,
    shape_text,
)
from chainrule.trace.traced import Size, Traced

_POSTPONED = __future__.annotations.compiler_flag
_DTYPES = {
    "float": DType.FLOAT64,
    "float64": DType.FLOAT64,
    "float32": DType.FLOAT32,
    "int": DType.INT64,
    "int64": DType.INT64,
    "int32": DType.INT64,
    "bool": DType.BOOL,
}

_MOST_ELEMENTS = 2**48


def parse_type(text: str) -> ArrayType:
    """Parse `"n d"`, `"n:int"`, `":float32"`.

    >>> parse_type("n d:float32").dtype
    <DType.FLOAT32: 'float32'>
    """
    return declared_type(text)[0]


def declared_type(text: str) -> tuple[ArrayType, tuple[Property, ...]]:
    """Parse a shape with declared properties of the values.

    >>> declared_type("n n sym")[1]
    (<Property.SYMMETRIC: 'symmetric'>,)
    """
    stated, colon, dtype = text.partition(":")
    words = stated.strip().strip("()[]").replace(",", " ").split()
    count = len(words)
    while count and words[count - 1] in SHORT_WORDS:
        count -= 1
    properties = tuple(SHORT_WORDS[word] for word in words[count:])
    sizes = " ".join(words[:count]) if properties else stated
    if colon and dtype.strip() not in _DTYPES:
        raise ShapeError(f"{text!r} names no dtype after the colon; write one of {', '.join(_DTYPES)}")
    misplaced = [word for word in sizes.replace(",", " ").split() if word in _DTYPES]
    if misplaced:
        raise ShapeError(f"{text!r} has {misplaced[0]!r} among its sizes; a dtype goes after a colon, as in 'n:int'")
    shape = _bounded(parse_shape(sizes.strip().strip("()[]")))
    return ArrayType(shape, _DTYPES[dtype.strip()] if colon else DType.FLOAT64), properties


def properties_of(value: Any) -> tuple[Property, ...]:
    """Return the properties that a leaf declares."""
    return declared_type(value)[1] if isinstance(value, str) else ()


def type_of(value: Any) -> ArrayType | None:
    """Return the type that a leaf states, or None for a leaf that is passed through."""
    if isinstance(value, ArrayType):
        return value
    refuse_subclass(value)
    if isinstance(value, str):
        return parse_type(value)
    if isinstance(value, tuple):
        return ArrayType(_bounded(tuple(_size(entry) for entry in value)))
    if isinstance(value, Traced):
        return value.node.type
    if isinstance(value, bool) or callable(value):
        return None
    if isinstance(value, int | np.integer):
        return ArrayType((), DType.INT64)
    if isinstance(value, float):
        return ArrayType(())
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        raise ShapeError(
            f"a {type(value).__name__} states no shape; write sizes as in 'n d', a tuple as in (4, 2), or give an array"
        )
    known = dtype if isinstance(dtype, np.dtype) else np.dtype(str(dtype).rpartition(".")[2])
    return ArrayType(tuple(int(size) for size in shape), DType.of(known))


def _bounded(shape: Shape) -> Shape:
    """Return `shape`; raise ShapeError if its numeric sizes alone exceed any memory."""
    if math.prod(size for size in shape if isinstance(size, int)) > _MOST_ELEMENTS:
        raise ShapeError(f"the shape {shape_text(shape)} is too large for any memory; give smaller sizes")
    return shape


def is_shape_tuple(value: object) -> bool:
    """Whether a tuple is a shape, (4, 2), ("n", "d") or (), rather than a tuple of arguments, ("n d", "d")."""
    return (
        isinstance(value, tuple)
        and not hasattr(value, "_fields")
        and all(isinstance(entry, int | SymbolicDim | Size | np.integer | str) for entry in value)
        and all(entry.isidentifier() and entry not in _DTYPES for entry in value if isinstance(entry, str))
    )


def _size(value: Any) -> Dim:
    if isinstance(value, Size):
        return value.dim
    if isinstance(value, str):
        return named_dim(value)
    return value if isinstance(value, SymbolicDim) else int(value)


ShapeTree: TypeAlias = "str | list[ShapeTree] | dict[str, ShapeTree]"


def split_list(text: str) -> list[ShapeTree] | dict[str, ShapeTree] | None:
    """Split a list of shapes, `"[d h; h o]"`, or a dict of them, `"{W1: d h; b1: h}"`, also nested.

    Return None for the shape of a single array.

    >>> split_list("[d h; h o]")
    ['d h', 'h o']
    >>> split_list("{W1: d h; b1: h}")
    {'W1': 'd h', 'b1': 'h'}
    """
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        pairs = [entry.partition(":") for entry in _entries(inner[1:-1], ";" if ";" in inner else ",")]
        if all(colon and key.strip().strip("'\"").isidentifier() for key, colon, _ in pairs):
            return {key.strip().strip("'\""): _nested(entry) for key, _, entry in pairs}
        return None
    if not (inner.startswith("[") and inner.endswith("]") and (";" in inner or inner[1:2] in "[{")):
        return None
    return [_nested(entry) for entry in _entries(inner[1:-1], ";")]


def _nested(text: str) -> ShapeTree:
    found = split_list(text)
    return text.strip() if found is None else found


def _entries(text: str, mark: str) -> list[str]:
    """Split a text at a mark outside of brackets."""
    entries, depth = [""], 0
    for character in text:
        depth += (character in "[{(") - (character in "]})")
        if character == mark and not depth:
            entries.append("")
        else:
            entries[-1] += character
    return [entry.strip() for entry in entries if entry.strip()]


def annotated_types(function: Callable[..., Any]) -> dict[str, ShapeTree]:
    """Return the types of parameters annotated with a shape: `X: "n d"`, or `X: Annotated[Array, "n d"]`.

    Arrays in a list or dict have a text, `Ws: "[d h; h o]"` and `params: "{W1: d h; b1: h}"`, or a list or dict of
    shapes, `params: {"W1": "d h", "b1": "h"}`.
    """
    function = inspect.unwrap(getattr(function, "__func__", function))
    annotations = getattr(function, "__annotations__", {})
    postponed = bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & _POSTPONED)
    scope = getattr(function, "__globals__", {})
    found: dict[str, ShapeTree] = {}
    for name, annotation in annotations.items():
        if postponed and isinstance(annotation, str) and annotation[:1] in "[{":
            with contextlib.suppress(SyntaxError, ValueError):
                annotation = ast.literal_eval(annotation)
        if isinstance(annotation, list | dict) and annotation:
            if name != "return" and all(
                isinstance(leaf, str) and _reads_as_shape(leaf) for leaf in _leaves(annotation)
            ):
                found[name] = annotation
            continue
        if isinstance(annotation, str):
            text = _unquoted(annotation) if postponed else annotation
        else:
            text = next((entry for entry in getattr(annotation, "__metadata__", ()) if isinstance(entry, str)), None)
        if name == "return" or text is None or isinstance(scope.get(text), type):
            continue  # a quoted class name is not a shape
        several = split_list(text)
        if all(map(_reads_as_shape, _leaves(text if several is None else several))):
            found[name] = text if several is None else several
    return found


def _leaves(tree: ShapeTree) -> Iterator[str]:
    """Yield the shapes in a tree."""
    if isinstance(tree, list | dict):
        for entry in tree if isinstance(tree, list) else tree.values():
            yield from _leaves(entry)
    else:
        yield tree


def shapes_in(tree: ShapeTree) -> list[str]:
    """Return the shapes of the arrays in a nested list or dict.

    >>> shapes_in({"W": "d h", "more": ["h"]})
    ['d h', 'h']
    """
    return list(_leaves(tree))


def misread_annotation(function: Callable[..., Any], name: str) -> str:
    """Return what is wrong with an annotation that states sizes and, after a colon, no dtype; "" for any other."""
    annotation = getattr(function, "__annotations__", {}).get(name)
    text = (_unquoted(annotation) or annotation) if isinstance(annotation, str) else ""
    sizes, colon, _ = text.partition(":")
    if not colon or not _reads_as_shape(sizes):
        return ""
    try:
        parse_type(text)
    except ShapeError as error:
        return str(error)
    return ""


def _unquoted(source: str) -> str | None:
    """Return the shape in an annotation kept as source, `'n d'` or `Annotated[Array, 'n d']`; otherwise None."""
    try:
        annotation = ast.parse(source, mode="eval").body
    except SyntaxError:
        return None
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).rpartition(".")[2] == "Annotated":
        annotation = annotation.slice.elts[-1] if isinstance(annotation.slice, ast.Tuple) else annotation.slice
    return annotation.value if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str) else None


def _reads_as_shape(text: str) -> bool:
    if text in _DTYPES or "." in text or "[" in text:
        return False
    try:
        parse_type(text)
    except ShapeError:
        return False
    return True
