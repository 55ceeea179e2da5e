"""What each parameter of an answer stands for: found by its name among the reference's inputs and named values."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.grading.answers import Answer, GradeError
from chainrule.grading.execution import Fresh
from chainrule.grading.names import (
    CONTAINERS,
    COUNTS,
    OUTPUTS,
    RATES,
    TARGETS,
    UPSTREAM,
    called,
    folded,
    gradient_of,
)
from chainrule.grading.truth import Point, Truth
from chainrule.ir import SymbolicDim

_FORWARD = ("forward", "feedforward", "forward_pass", "forward_propagation", "feed_forward", "predict")


class Container(dict[str, Any], Fresh):
    """A dict that also has, under any spelling, what the reference has; attributes are entries."""

    def __init__(self, entries: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        super().__init__(entries)
        object.__setattr__(self, "_more", more)

    def __missing__(self, key: str) -> Any:
        more: Mapping[str, Any] = object.__getattribute__(self, "_more")
        found = called(str(key), more)
        if found is None:
            raise KeyError(f"{key!r} is not known; there are {', '.join(more)}")
        self[key] = more[found]
        return self[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def fresh(self) -> Container:
        copied = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in self.items()}
        return Container(copied, object.__getattribute__(self, "_more"))


@dataclass(frozen=True)
class Binding:
    """How to make an answer's arguments: `by_name` says what each parameter stands for.

    `containers` hold many values, `rate` is the parameter that is the learning rate, None where there is none.
    """

    by_name: Mapping[str, str]
    containers: frozenset[str]
    rate: str | None
    attributes: Mapping[str, str]
    instance: Any
    wrt: tuple[str, ...]

    def arguments(self, point: Point, truth: Truth) -> dict[str, Any]:
        """The arguments at a point, by name; containers and the instance are new ones."""
        arguments: dict[str, Any] = {}
        known = dict(point.values)
        for parameter, meaning in self.by_name.items():
            arguments[parameter] = _value(meaning, point)
        for name in self.containers:
            arguments[name] = Container({key: known[key] for key in self.wrt}, known)
        if self.instance is not None:
            arguments["self"] = self._made(point, arguments)
        return arguments

    def _made(self, point: Point, arguments: Mapping[str, Any]) -> Any:
        """The instance with the point's values for its parameters, its forward pass run."""
        made = copy.deepcopy(self.instance)
        for attribute, name in self.attributes.items():
            old, value = getattr(made, attribute), point.values[name]
            shape = (1,) * (np.ndim(old) - value.ndim) + value.shape
            setattr(made, attribute, value.reshape(shape).copy())
        for key, value in vars(made).items():
            if folded(key) in {folded(rate) for rate in RATES} and isinstance(value, int | float):
                setattr(made, key, point.rate)
        forward = next((getattr(made, name) for name in _FORWARD if callable(getattr(made, name, None))), None)
        if forward is not None:
            try:
                given = [_forward_argument(name, point, arguments) for name in inspect.signature(forward).parameters]
                forward(*given)
            except (ValueError, TypeError, KeyError, AttributeError):
                pass  # a forward pass that cannot be run leaves the attributes as they are
        return made


def _forward_argument(name: str, point: Point, arguments: Mapping[str, Any]) -> Any:
    return arguments[name] if name in arguments else point.values[called(name, point.values) or name]


def _value(meaning: str, point: Point) -> Any:
    if meaning == "η":
        return point.rate
    if meaning.startswith("size "):
        return point.sizes[meaning.removeprefix("size ")]
    value = point.values[meaning]
    return value.copy()


def bind(answer: Answer, truth: Truth, wrt: Sequence[str]) -> Binding:
    """What each parameter of `answer` stands for; raises GradeError for one that cannot be matched."""
    by_name: dict[str, str] = {}
    containers: set[str] = set()
    rate = None
    unmatched: list[str] = []
    names = list(truth.points[0].values)
    for parameter in answer.parameters:
        name = parameter.name
        if name == "self" and answer.instance is not None:
            continue
        meaning = _meaning(name, truth, names)
        if meaning == "η":
            rate = name
        if meaning is not None:
            by_name[name] = meaning
        elif name.casefold() in CONTAINERS:
            containers.add(name)
        elif parameter.default is inspect.Parameter.empty:
            unmatched.append(name)
        else:
            by_name.setdefault(name, "")
    left = [name for name in truth.upstream.values() if name not in by_name.values()]
    for name in list(unmatched):
        if left and (name.casefold() in UPSTREAM or name[0] in "dδ∂g"):
            by_name[name] = left.pop(0)
            unmatched.remove(name)
    if unmatched:
        known = ", ".join(name for name in names if not name.startswith("∂") and name != truth.record.loss.name)
        raise GradeError(
            f"{answer.name} takes {unmatched[0]!r}, which is no input and no named value of the reference; "
            f"there are {known}, a learning rate, and cache or params as a dict of these"
        )
    defaults = {p.name: p.default for p in answer.parameters}
    for name, meaning in list(by_name.items()):
        if not meaning:
            del by_name[name]
            answer.globals = {**answer.globals, name: defaults[name]}
    attributes = _attributes(answer.instance, truth, wrt) if answer.instance is not None else {}
    return Binding(by_name, frozenset(containers), rate, attributes, answer.instance, tuple(wrt))


def _meaning(name: str, truth: Truth, names: Sequence[str]) -> str | None:
    """What a parameter of this name is: a value's name, `size n`, or `η` for the rate."""
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
    """The last named value that is not a number: what the network predicts."""
    shaped = [s.name for s in truth.record.backward.stages if s.symbol.type.ndim and s.symbol.type.dtype.is_float]
    return shaped[-1] if shaped else None


def _attributes(instance: Any, truth: Truth, wrt: Sequence[str]) -> dict[str, str]:
    """Which attribute of the instance is which parameter: by name, else by shapes that fit together."""
    arrays = {k: v for k, v in vars(instance).items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    found = {k: c for k in arrays if (c := called(k, wrt)) is not None}
    rest = {k: v for k, v in arrays.items() if k not in found and v.ndim}
    free = [name for name in wrt if name not in found.values()]
    fitted = next(_fit(list(rest.items()), free, truth, {}), None)
    if fitted:
        found.update(fitted)
    if not found:
        raise GradeError(
            f"no attribute of {type(instance).__name__} has the name or the shape of {', '.join(wrt)}; "
            "make them in its constructor"
        )
    return found


def _fit(rest: list[tuple[str, Any]], free: list[str], truth: Truth, sizes: dict[str, int]) -> Iterator[dict[str, str]]:
    """Assignments of parameters to attributes whose shapes agree on every named size."""
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
