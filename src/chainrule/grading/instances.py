"""The attributes of an answer's instance, and the arguments of its constructor, as values of the reference."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.cage import Path, called, folded
from chainrule.grading.answers import Answer
from chainrule.grading.instruments import GradeError
from chainrule.grading.names import holds_gradients, is_data, is_hyperparameter
from chainrule.grading.truth import Truth
from chainrule.ir import Dim, SymbolicDim

_INPUT = re.compile(
    r"(n_?)?(in|input|inputs|features)(_?(size|dim|features|nodes|units|channels|layer\w*))?|d|D|nx|n_x"
)
_OUTPUT = re.compile(r"(n_?)?(out|output|outputs|classes)(_?(size|dim|features|nodes|units|channels|layer\w*))?|ny|n_y")
_HIDDEN = re.compile(r"(n_?)?(hid|hidden|h|nh|units|neurons)(_?(size|dim|nodes|units|layer\w*|layers|dims|sizes))?|n_h")
_SIZES = re.compile(r"(layer|layers|sizes|dims|layer_?(dims|sizes)|architecture|topology)\w*")


def construction(answer: Answer, truth: Truth, wrt: Sequence[str], meaning: Callable[[str], Any]) -> Mapping[str, Any]:
    """Return the meanings of a constructor's arguments: values, sizes of layers, or the list of these."""
    found: dict[str, Any] = {}
    chain = _layer_sizes(truth, wrt)
    for parameter in answer.constructor or ():
        name = parameter.name
        known = meaning(name)
        plain = name.casefold()
        if known is not None:
            found[name] = known
        elif len(chain) > 1 and _INPUT.fullmatch(plain):
            found[name] = chain[0]
        elif len(chain) > 1 and _OUTPUT.fullmatch(plain):
            found[name] = chain[-1]
        elif len(chain) > 1 and _HIDDEN.fullmatch(plain):
            found[name] = chain[1]
        elif chain and _SIZES.fullmatch(plain):
            found[name] = chain
        elif not parameter.has_default:
            inputs = ", ".join(truth.inputs)
            raise GradeError(
                f"the constructor of {answer.owner} takes {name!r}, which is no input of the reference and no size; "
                f"there are {inputs}; give it a default value"
            )
    return found


def _layer_sizes(truth: Truth, wrt: Sequence[str]) -> list[Any]:
    """Return the sizes of the layers of a network, from its weights, as meanings."""
    weights = [name for name in wrt if not is_data(name)] or wrt
    shapes = [truth.inputs[name].type.shape for name in weights if len(truth.inputs[name].type.shape) == 2]
    for ordered in (shapes, [shape[::-1] for shape in shapes]):
        matrices = [shape for shape in ordered if 1 not in shape or len(shapes) == 1]
        if matrices and all(a[1] == b[0] for a, b in itertools.pairwise(matrices)):
            return [_size(matrices[0][0]), *(_size(shape[1]) for shape in matrices)]
    return []


def _size(dim: Dim) -> Any:
    return f"size {dim}" if isinstance(dim, SymbolicDim) else dim


def held_by_instance(answer: Answer, truth: Truth, wrt: Sequence[str]) -> dict[Path, str]:
    """Map attributes of the instance to inputs: by name; parameters also by consistent shapes."""
    held = answer.attributes or []
    arrays = {path: value for path, value in held if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
    floats = [name for name, node in truth.inputs.items() if node.type.dtype.is_float]
    found: dict[Path, str] = {}
    for path, value in held:
        name = called(str(path[-1]), floats) or called("".join(map(str, path)), floats)
        if (
            name is None
            or name in found.values()
            or holds_gradients(path[:-1])
            or not (path in arrays or type(value) in (int, float))
        ):
            continue
        if path in arrays or truth.inputs[name].type.ndim == 0:
            found[path] = name
    numbers = [n for n in floats if not truth.inputs[n].type.ndim and is_hyperparameter(n) and n not in found.values()]
    for path, value in held:
        is_number = type(value) in (int, float) and path not in found and is_hyperparameter(str(path[-1]))
        if is_number and len(numbers) == 1 and folded(str(path[-1]))[:3] == folded(numbers[0])[:3]:
            found[path] = numbers[0]
    open_ = {path: value for path, value in arrays.items() if path not in found and not holds_gradients(path[:-1])}
    rest = {path: value for path, value in open_.items() if value.ndim}
    free = [name for name in wrt if name not in found.values()]
    fitted = next(_fit(list(rest.items()), free, truth, {}), None)
    if fitted:
        found.update(fitted)
    if not any(name in wrt for name in found.values()) and arrays:
        raise GradeError(
            f"no attribute of {answer.owner} has the name or the shape of {', '.join(wrt)}; "
            "make them in its constructor"
        )
    return found


def _fit(
    rest: list[tuple[Path, Any]], free: list[str], truth: Truth, sizes: dict[str, int]
) -> Iterator[dict[Path, str]]:
    """Yield assignments of parameters to attributes whose shapes agree on every named size."""
    if not free:
        yield {}
        return
    name = free[0]
    shape = [dim for dim in truth.inputs[name].type.shape if dim != 1]
    for k, (attribute, array) in enumerate(rest):
        dims = list(array.shape)
        while len(dims) > len(shape) and 1 in dims:
            dims.remove(1)
        if len(dims) != len(shape):
            continue
        known = dict(sizes)
        if all(_same(dim, size, known) for dim, size in zip(shape, dims, strict=True)):
            for others in _fit(rest[:k] + rest[k + 1 :], free[1:], truth, known):
                yield {attribute: name, **others}


def _same(dim: Any, size: int, sizes: dict[str, int]) -> bool:
    if isinstance(dim, SymbolicDim):
        return sizes.setdefault(str(dim), size) == size
    return bool(dim == size)
