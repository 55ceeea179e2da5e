"""Meanings of an answer's parameters, found by name among the reference's inputs and named values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.cage import RATES, Given, called
from chainrule.grading.answers import Answer, GradeError
from chainrule.grading.names import CONTAINERS, COUNTS, OUTPUTS, TARGETS, UPSTREAM, gradient_of
from chainrule.grading.truth import Point, Truth
from chainrule.ir import SymbolicDim


@dataclass(frozen=True)
class Binding:
    """The construction of an answer's arguments: `by_name` gives the meaning of each parameter.

    `containers` hold many values, `rate` is the learning rate parameter or None. `attributes` gives the meaning of
    attributes of the instance and their numbers of axes (−1 for a plain number); `defaults` are parameters that keep
    their default values.
    """

    by_name: Mapping[str, str]
    containers: frozenset[str]
    rate: str | None
    attributes: Mapping[str, str]
    ranks: Mapping[str, int]
    defaults: tuple[str, ...]
    wrt: tuple[str, ...]

    def given(self, point: Point) -> Given:
        """Return the arguments at a point."""
        return Given(
            {parameter: _value(meaning, point) for parameter, meaning in self.by_name.items()},
            dict(point.values),
            sorted(self.containers),
            self.wrt,
            {attribute: self._attribute(attribute, point.values[name]) for attribute, name in self.attributes.items()},
            point.rate,
        )

    def shape(self, symbol: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a value in the answer: an attribute may have more axes than the reference's parameter."""
        attribute = next((key for key, name in self.attributes.items() if name == symbol), None)
        return shape if attribute is None else self._padded(attribute, shape)

    def _padded(self, attribute: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,) * (self.ranks[attribute] - len(shape)) + shape

    def _attribute(self, attribute: str, value: Any) -> Any:
        if self.ranks[attribute] < 0 and np.ndim(value) == 0:
            return float(value)
        return np.reshape(value, self._padded(attribute, np.shape(value)))


def _value(meaning: str, point: Point) -> Any:
    if meaning == "η":
        return point.rate
    if meaning.startswith("size "):
        return point.sizes[meaning.removeprefix("size ")]
    return point.values[meaning]


def bind(answer: Answer, truth: Truth, wrt: Sequence[str]) -> Binding:
    """Find the meaning of each parameter of `answer`; raise GradeError for one that cannot be matched."""
    by_name: dict[str, str] = {}
    containers: set[str] = set()
    rate = None
    unmatched: list[str] = []
    defaults: list[str] = []
    names = list(truth.points[0].values)
    for parameter in answer.parameters:
        name = parameter.name
        if name == "self" and answer.attributes is not None:
            continue
        meaning = _meaning(name, truth, names)
        if meaning == "η":
            rate = name
        if meaning is not None:
            by_name[name] = meaning
        elif name.casefold() in CONTAINERS:
            containers.add(name)
        elif not parameter.has_default:
            unmatched.append(name)
        else:
            defaults.append(name)
    left = [name for name in truth.upstream.values() if name not in by_name.values()]
    for name in list(unmatched):
        if left and (name.casefold() in UPSTREAM or name[0] in "dδ∂g"):
            by_name[name] = left.pop(0)
            unmatched.remove(name)
    if unmatched:
        known = ", ".join(name for name in names if not name.startswith("∂") and name != truth.record.loss.name)
        raise GradeError(
            f"{answer.name} takes {unmatched[0]!r}, which is neither an input nor a named value of the reference; "
            f"there are {known}, a learning rate, and cache or params as a dict of these"
        )
    attributes = {} if answer.attributes is None else _attributes(answer, truth, wrt)
    ranks = {key: _rank((answer.attributes or {})[key]) for key in attributes}
    return Binding(by_name, frozenset(containers), rate, attributes, ranks, tuple(defaults), tuple(wrt))


def _meaning(name: str, truth: Truth, names: Sequence[str]) -> str | None:
    """Return the meaning of a parameter name: a value's name, `size n`, or `η` for the rate; None if unknown."""
    usable = [known for known in names if not known.startswith("∂")]
    found = called(name, usable)
    if found is not None:
        return found
    lowered = name.casefold()
    for output, upstream in truth.upstream.items():
        if gradient_of(name, [output]) is not None:
            return upstream
    if len(truth.upstream) == 1 and lowered in UPSTREAM:
        return next(iter(truth.upstream.values()))
    if name in RATES or lowered in {"learning_rate", "lr"}:
        return "η"
    if lowered in TARGETS:
        targets = [known for known in usable if known.casefold() in TARGETS]
        if len(targets) == 1:
            return targets[0]
    if lowered in OUTPUTS:
        return _output_stage(truth)
    sizes = truth.points[0].sizes
    if name in sizes:
        return f"size {name}"
    if name in COUNTS and truth.batch is not None:
        return f"size {truth.batch}"
    return None


def _output_stage(truth: Truth) -> str | None:
    """Return the last named value that is not a scalar: the prediction of the network."""
    shaped = [s.name for s in truth.record.backward.stages if s.symbol.type.ndim and s.symbol.type.dtype.is_float]
    return shaped[-1] if shaped else None


def _attributes(answer: Answer, truth: Truth, wrt: Sequence[str]) -> dict[str, str]:
    """Map attributes of the instance to inputs: by name; parameters also by consistent shapes."""
    held = answer.attributes or {}
    arrays = {k: v for k, v in held.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    floats = [name for name, node in truth.inputs.items() if node.type.dtype.is_float]
    found: dict[str, str] = {}
    for key, value in held.items():
        name = called(key, floats)
        if name is None or name in found.values() or not (key in arrays or type(value) in (int, float)):
            continue
        if key in arrays or truth.inputs[name].type.ndim == 0:
            found[key] = name
    rest = {k: v for k, v in arrays.items() if k not in found and v.ndim}
    free = [name for name in wrt if name not in found.values()]
    fitted = next(_fit(list(rest.items()), free, truth, {}), None)
    if fitted:
        found.update(fitted)
    if not any(name in wrt for name in found.values()):
        raise GradeError(
            f"no attribute of {answer.owner} has the name or the shape of {', '.join(wrt)}; "
            "make them in its constructor"
        )
    return found


def _rank(value: Any) -> int:
    return int(value.ndim) if isinstance(value, np.ndarray) else -1


def _fit(rest: list[tuple[str, Any]], free: list[str], truth: Truth, sizes: dict[str, int]) -> Iterator[dict[str, str]]:
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
