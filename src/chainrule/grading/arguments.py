"""Meanings of an answer's parameters, found by name among the reference's inputs, named values and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.cage import RATES, Given, Path, at, called, folded
from chainrule.grading.answers import Answer
from chainrule.grading.forwards import mapped
from chainrule.grading.instances import construction, held_by_instance
from chainrule.grading.instruments import GradeError
from chainrule.grading.names import (
    CONTAINERS,
    COUNTS,
    OUTPUTS,
    TARGETS,
    UPSTREAM,
    gradient_of,
    is_data,
    is_label,
    is_target,
)
from chainrule.grading.quantities import Point
from chainrule.grading.truth import Truth
from chainrule.grading.uses import Uses


@dataclass(frozen=True)
class Binding:
    """The construction of an answer's arguments: `by_name` gives the meaning of each parameter.

    A meaning is the name of a value, `size n`, `η`, `held x` for what the forward pass holds, or a nested list or dict
    of these. `containers` hold many values, each with its entries; `rates` are learning rates. `attributes` gives the
    meaning of attributes of the instance, by path, and `ranks` their numbers of axes (−1 for a plain number);
    `construct` that of the constructor's arguments. `defaults` are parameters that keep their default values.
    """

    by_name: Mapping[str, Any]
    containers: Mapping[str, Sequence[str]]
    rates: frozenset[str]
    defaults: tuple[str, ...]
    attributes: Mapping[Path, str]
    ranks: Mapping[Path, int]
    construct: Mapping[str, Any] | None = None
    data: str | None = None

    @property
    def rate(self) -> str | None:
        """The parameter that is the learning rate, or None."""
        return min(self.rates, default=None)

    def given(self, point: Point) -> Given:
        """Return the arguments at a point."""
        known = {**point.held, **point.values}
        construct = None if self.construct is None else {k: _valued(v, point) for k, v in self.construct.items()}
        return Given(
            {parameter: _valued(meaning, point) for parameter, meaning in self.by_name.items()},
            known,
            dict(self.containers),
            [(path, self._attribute(path, point.values[name])) for path, name in self.attributes.items()],
            point.rate,
            construct,
            self.data,
        )

    def symbol(self, root: str, path: Path) -> str | None:
        """Return the value of the reference that a place in an argument holds at first, or None."""
        if root == "self":
            return self.attributes.get(path)
        if root in self.containers:
            return called(str(path[-1]), self.containers[root]) if len(path) == 1 else None
        meaning = self.by_name.get(root)
        if isinstance(meaning, list | tuple | dict):
            meaning = at(meaning, path)
        elif path:
            return None
        return meaning if isinstance(meaning, str) else None

    def shape(self, symbol: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a value in the answer: an attribute may have more axes than the reference's parameter."""
        path = next((key for key, name in self.attributes.items() if name == symbol), None)
        return shape if path is None else self._padded(path, shape)

    def _padded(self, path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,) * (self.ranks[path] - len(shape)) + shape

    def _attribute(self, path: Path, value: Any) -> Any:
        if self.ranks[path] < 0 and np.ndim(value) == 0:
            return float(value)
        return np.reshape(value, self._padded(path, np.shape(value)))


def _valued(meaning: Any, point: Point) -> Any:
    if isinstance(meaning, list | tuple | dict):
        return mapped(lambda leaf: _valued(leaf, point), meaning)
    if not isinstance(meaning, str):
        return meaning
    if meaning == "η":
        return point.rate
    if meaning.startswith("size "):
        return point.sizes[meaning.removeprefix("size ")]
    if meaning.startswith("held "):
        return point.held[meaning.removeprefix("held ")]
    return point.values[meaning]


class Binder:
    """Finds the meaning of each parameter of an answer, or raises GradeError for one that cannot be matched."""

    def __init__(self, answer: Answer, truth: Truth, wrt: Sequence[str]) -> None:
        self._answer, self._truth, self._wrt = answer, truth, wrt
        self._uses = Uses(answer)
        self._point = truth.points[0]
        self._values = [name for name in self._point.values if not name.startswith("∂")]
        self._trees = {
            name: mapped(lambda node: getattr(node, "name", node), tree)
            for name, tree in truth.vocabulary.forward.arguments.items()
            if isinstance(tree, list | tuple | dict)
        }
        inputs = truth.inputs
        self._held = [
            name
            for name in self._point.held
            if gradient_of(name, list(inputs)) is None and name not in self._trees and name not in self._values
        ]
        self._known = [*self._values, *self._held]

    @property
    def known(self) -> Sequence[str]:
        """The names of what containers hold."""
        return self._known

    def bind(self) -> Binding:
        """Find the meanings of the parameters of a function."""
        answer = self._answer
        by_name: dict[str, Any] = {}
        containers: dict[str, Sequence[str]] = {}
        unmatched: list[str] = []
        defaults: list[str] = []
        for parameter in answer.parameters:
            name = parameter.name
            if name == "self" and answer.owner:
                continue
            meaning = self._meaning(name)
            if isinstance(meaning, dict) and all(isinstance(leaf, str) for leaf in meaning.values()):
                containers[name] = list(meaning.values())
            elif meaning is not None:
                by_name[name] = meaning
            elif self._is_container(name):
                held = self._structure(name)
                if held is None:
                    containers[name] = list(self._wrt)
                else:
                    by_name[name] = held
            elif parameter.has_default:
                defaults.append(name)
            else:
                unmatched.append(name)
        unmatched = self._guessed(unmatched, by_name)
        if unmatched:
            names = ", ".join(name for name in self._known if name != self._truth.record.loss.name)
            raise GradeError(
                f"{answer.name} takes {unmatched[0]!r}, which is neither an input nor a named value of the reference; "
                f"there are {names}, a learning rate, and cache or params as a dict of these"
            )
        rates = frozenset(name for name, meaning in by_name.items() if meaning == "η")
        data = next((name for name in self._truth.inputs if not name.startswith("∂")), None)
        binding = Binding(by_name, containers, rates, tuple(defaults), {}, {}, None, data)
        if answer.constructor is not None:
            binding = replace(binding, construct=construction(answer, self._truth, self._wrt, self._meaning))
        return binding

    def with_attributes(self, binding: Binding) -> Binding:
        """Add the meanings of the attributes of the instance, once they are known."""
        found = held_by_instance(self._answer, self._truth, self._wrt)
        values = dict(self._answer.attributes or ())
        ranks = {path: int(v.ndim) if isinstance(v := values[path], np.ndarray) else -1 for path in found}
        return replace(binding, attributes=found, ranks=ranks)

    # One name

    def _meaning(self, name: str) -> Any:
        """Return the meaning of a parameter name; None if it is unknown."""
        found = called(name, [*self._values, *self._trees])
        if found is not None and (found == name or name not in self._held):  # x is not X if the pass has both
            return self._trees.get(found, found)
        lowered = name.casefold()
        upstream = self._truth.upstream
        for output, symbol in upstream.items():
            if gradient_of(name, [output]) is not None:
                return symbol
        if len(upstream) == 1 and lowered in UPSTREAM:
            return next(iter(upstream.values()))
        if name in RATES or lowered in {"learning_rate", "lr"}:
            return "η"
        if lowered in TARGETS:
            targets = [known for known in self._values if known.casefold() in TARGETS]
            if len(targets) == 1:
                return targets[0]
        held = called(name, self._held)
        if held is not None and not isinstance(self._point.held[held], list | tuple | dict):
            return f"held {held}"
        if lowered in OUTPUTS:
            return _output_stage(self._truth)
        sizes = self._point.sizes
        if name in sizes:
            return f"size {name}"
        if name in COUNTS and self._truth.batch is not None:
            return f"size {self._truth.batch}"
        return None

    def _is_container(self, name: str) -> bool:
        plain = name.casefold()
        return (
            plain in CONTAINERS or "cache" in plain or self._uses.is_keyed(name) or called(name, self._held) is not None
        )

    def _structure(self, name: str) -> str | None:
        """Return what the forward pass holds under a container's name, if its entries are not found by name."""
        held = called(name, self._held)
        held = held or next((n for n in reversed(self._held) if "cache" in n and "cache" in name.casefold()), None)
        if held is None:
            return None
        keys, targets = self._uses.keys(name), self._uses.unpacked(name)
        value = self._point.held[held]
        if keys and not (isinstance(value, dict) and all(key in value for key in keys)):
            return None
        if targets and all(called(target, self._known) is not None for target in targets if target.strip("_")):
            return None
        if targets and (not isinstance(value, list | tuple) or len(value) != len(targets)):
            return None
        return f"held {held}"

    # The rest

    def _guessed(self, names: Sequence[str], by_name: dict[str, Any]) -> list[str]:
        """Give the remaining parameters the meanings that their use or the remaining values suggest."""
        left: list[str] = []
        upstream = [name for name in self._truth.upstream.values() if name not in by_name.values()]
        trees = [tree for tree in self._trees.values() if tree not in by_name.values()]
        for name in names:
            if not self._uses.occurs(name):
                by_name[name] = None
            elif upstream and (name.casefold() in UPSTREAM or name[0] in "dδ∂g" or "grad" in name or "delta" in name):
                by_name[name] = upstream.pop(0)
            elif self._uses.is_rate(name):
                by_name[name] = "η"
            else:
                left.append(name)
        lists = [name for name in left if self._uses.is_sequence(name)]
        if lists and len(lists) == len(trees):
            ordered = sorted(lists, key=lambda name: name in by_name)
            for name in ordered:
                same = [tree for tree in trees if _initial(tree) == folded(name)[:1]]
                tree = same[0] if len(same) == 1 else trees[0]
                by_name[name] = tree
                trees.remove(tree)
                left.remove(name)
        if len(left) == 1 and len(upstream) == 1:
            by_name[left.pop()] = upstream.pop()
        for name in list(left):
            inputs = [n for n in self._truth.inputs if n not in by_name.values() and not n.startswith("∂")]
            if is_label(name):
                same = [known for known in inputs if is_target(known)]
            else:
                same = [known for known in inputs if is_data(known) and not is_target(known)] if is_data(name) else []
            if len(same) == 1:
                by_name[name] = same[0]
                left.remove(name)
        return left


def _initial(tree: Any) -> str:
    """Return the first letter of the names in a tree."""
    first: list[str] = []
    mapped(first.append, tree)
    return folded(first[0])[:1] if first else ""


def _output_stage(truth: Truth) -> str | None:
    """Return the last named value that is not a scalar: the prediction of the network."""
    shaped = [s.name for s in truth.record.backward.stages if s.symbol.type.ndim and s.symbol.type.dtype.is_float]
    return shaped[-1] if shaped else None
