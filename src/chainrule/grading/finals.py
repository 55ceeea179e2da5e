"""Where an answer has its gradients: in what it returns, in updated parameters, in attributes of the instance.

The gradients of returned values are found by their names, then by what they are, then by their order.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.cage import OUT, Path, Place, called
from chainrule.grading.answers import Answer, Unit
from chainrule.grading.arguments import Binding
from chainrule.grading.comparison import Array, agree, as_arrays, constant_ratios
from chainrule.grading.execution import Overview
from chainrule.grading.instruments import GradeError
from chainrule.grading.names import gradient_of, holds_gradients, is_data, is_loss_name, without_newness
from chainrule.grading.origins import origin_of
from chainrule.grading.truth import Truth
from chainrule.trace import flatten

_MOST_OTHERS = 4
"""The number of values besides gradients that an answer may return without names."""


@dataclass(frozen=True)
class Final:
    """One gradient of the answer, and its place: a returned value, the updated parameter, or an attribute.

    `label` is the learner's name; `variable` the learner's variable, if one is returned unchanged.
    """

    symbol: str
    place: Place
    label: str
    is_update: bool = False

    def is_set_by(self, unit: Unit) -> bool:
        """Whether a unit assigns to the place, which is that of an updated parameter."""
        root, path = self.place.root, self.place.path
        return any(_leads_to(name, root, path) for name in unit.names)


def _leads_to(target: str, root: str, path: Path) -> bool:
    """Whether a target as written, `W1`, `self.W1` or `params["W" + str(l)]`, may be a place."""
    name, steps = _steps(target)
    pairs = zip(steps, path, strict=False)
    return name == root and len(steps) >= len(path) and all(step is None or step == key for step, key in pairs)


@lru_cache(maxsize=1000)
def _steps(target: str) -> tuple[str | None, tuple[Any, ...]]:
    """Return the variable of a target, None if there is none, and its attributes and keys; None for unknown keys."""
    try:
        node = ast.parse(target, mode="eval").body
    except SyntaxError:
        return None, ()
    steps: list[Any] = []
    while isinstance(node, ast.Subscript | ast.Attribute):
        steps.insert(0, node.attr if isinstance(node, ast.Attribute) else _key(node.slice))
        node = node.value
    return (node.id if isinstance(node, ast.Name) else None), tuple(steps)


def _key(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


@dataclass(frozen=True)
class _Leaf:
    """A returned array: its place, its label, and the learner's variable if it is one."""

    place: Place
    label: str
    variable: str = ""
    index: int | None = None


Look = Callable[[Sequence[Place]], list[list[Any]]]
"""The values at some places at each point."""


class Finder:
    """Finds the gradients of an answer after its first run."""

    def __init__(
        self, answer: Answer, binding: Binding, truth: Truth, wrt: Sequence[str], overview: Overview, look: Look
    ) -> None:
        self._answer, self._binding, self._truth, self._overview, self._look = answer, binding, truth, overview, look
        self._wrt = list(wrt)
        self._unfinished = False
        self._stepped: set[str] = set()
        """The parameters that are changed in place, perhaps by a helper."""
        known = [q.symbol for q in truth.quantities if q.kind == "gradient" and q.symbol is not None]
        self._inputs = [name for name in truth.inputs if name in known]
        self._trees = {
            name: [getattr(node, "name", "") for node in flatten(tree)[0]]
            for name, tree in truth.vocabulary.forward.arguments.items()
            if isinstance(tree, list | tuple)
        }

    def finals(self, unfinished: bool = False) -> list[Final]:
        """Return the gradients that the answer has; raise GradeError if there are none.

        Of an `unfinished` answer, variables named like gradients count, but none that still has its initial zeros.
        """
        self._unfinished = unfinished
        updates = list(self._updates())
        self._stepped = {final.symbol for final in updates if final.is_update}
        returned = self._returned([final.symbol for final in updates])
        given = {final.symbol for final in returned}
        found = returned + [final for final in updates if final.symbol not in given]
        if any(final.is_update for final in found):
            found = [self._beside_updates(final) for final in found]
        if unfinished:
            given = {final.symbol for final in found}
            found += [final for final in self._variables() if final.symbol not in given]
            return [final for final in found if not self._is_begun(final)]
        if not found:
            raise GradeError(
                f"{self._answer.name} returns no gradient and updates no parameter; return them by name, as in "
                f"return {{{', '.join(f'{name!r}: d{name}' for name in self._wrt[:2])}}}"
            )
        return found

    def _is_begun(self, final: Final) -> bool:
        """Whether a gradient that is not zero has nothing but zeros."""
        values, true = as_arrays([row[0] for row in self._look([final.place])]), self._truth.gradient(final.symbol)
        zero = values is not None and not any(map(np.any, values)) and not final.is_update
        return zero and true is not None and any(map(np.any, true.values))

    def _variables(self) -> Iterator[Final]:
        """Yield the variables of the body that are named like gradients by inputs."""
        seen: set[str] = set()
        for unit in self._answer.units:
            for name in unit.names if unit.helper is None else ():
                symbol = gradient_of(name, self._inputs) if name.isidentifier() else None
                if symbol is not None and symbol not in seen:
                    seen.add(symbol)
                    yield Final(symbol, Place(name), name)

    # Updated parameters and attributes

    def _updates(self) -> Iterator[Final]:
        seen: set[str] = set()
        for root, path in self._overview.changed:
            symbol = self._binding.symbol(root, path)
            label = root + "".join(f".{step}" if root == "self" else f"[{step!r}]" for step in path)
            if symbol is not None:
                chosen = symbol in self._wrt or (symbol in self._inputs and not is_data(symbol))
                if chosen and symbol not in seen:
                    seen.add(symbol)
                    yield Final(symbol, Place(root, path), label, True)
                continue
            held = self._held(path) if root == "self" else None
            if held is not None and held not in seen:
                seen.add(held)
                yield Final(held, Place(root, path), label)

    def _held(self, path: Path) -> str | None:
        """Return the symbol of a gradient that a layer stores in an attribute, as in `self.dW = …`."""
        name = (
            str(path[-1])
            if isinstance(path[-1], str)
            else str(next((s for s in reversed(path) if isinstance(s, str)), ""))
        )
        own = {str(p[-1]): s for p, s in self._binding.attributes.items() if p[:-1] == path[:-1]}
        sibling = gradient_of(name, list(own))
        if sibling is not None:
            return own[sibling]
        if holds_gradients(path[:-1]):
            return called(name, self._inputs)
        return gradient_of(name, self._inputs)

    # Returned values

    def _returned(self, updated: Sequence[str]) -> list[Final]:
        if self._overview.container and self._answer.outputs is None:
            return []
        leaves = list(self._leaves())
        if not leaves:
            self._refuse()
            return []
        symbols = self._symbols(leaves, updated)
        return [self._final(leaf, symbol) for leaf, symbol in zip(leaves, symbols, strict=True) if symbol is not None]

    def _refuse(self) -> None:
        """Raise GradeError for a returned value that holds no arrays."""
        kind, answer = self._overview.kind, self._answer
        for path, held in self._overview.leaves:
            label = str(path[-1]) if path else ""
            if label and held != "array" and (called(label, self._inputs) or gradient_of(label, self._inputs)):
                raise GradeError(f"{answer.name}: {label} is a {held}; give an array of numbers")
        if kind not in ("NoneType", "tuple", "list", "dict") and answer.outputs is None:
            raise GradeError(f"{answer.name} returns a {kind}; return arrays, or a dict or tuple of arrays")

    def _leaves(self) -> Iterator[_Leaf]:
        answer = self._answer
        if answer.outputs is not None and not self._overview.early:
            for output in answer.outputs:
                paths = self._overview.outputs.get(output.variable, ())
                if not paths and (called(output.label, self._inputs) or gradient_of(output.label, self._inputs)):
                    yield _Leaf(Place(output.variable), output.label, output.name)
                for path in paths:
                    yield self._leaf(output.variable, path, output.label, output.name if not path else "")
            return
        label = next((u.names[0] for u in answer.units if u.names and _target(u.statement) == OUT), "")
        if label and self._overview.kind == "NoneType" and self._named(label) is not None:
            yield _Leaf(Place(label), label, label)  # the statement that makes it fails
        for path, kind in self._overview.leaves:
            if kind == "array" or (path and not isinstance(path[-1], int) and self._named(str(path[-1])) is not None):
                root = "" if self._overview.early or answer.returned is None else answer.returned
                variable = label if not self._overview.early and not path else ""
                yield self._leaf(root, path, label if not self._overview.early else "", variable)

    def _leaf(self, root: str, path: Path, label: str, variable: str) -> _Leaf:
        texts = [step for step in path if isinstance(step, str)]
        index = path[-1] if path and isinstance(path[-1], int) else None
        return _Leaf(Place(root, path), texts[-1] if texts else label, variable, index)

    def _named(self, label: str) -> str | None:
        return called(label, self._inputs) or gradient_of(label, self._inputs)

    def _symbols(self, leaves: Sequence[_Leaf], updated: Sequence[str]) -> list[str | None]:
        """Return the symbol of each returned value: by name, by what it is, or by its place."""
        found: list[str | None] = []
        for leaf in leaves:
            symbol = self._by_name(leaf)
            found.append(symbol if symbol not in found else None)
        if None not in found:
            return found
        values = self._look([leaf.place for leaf in leaves])
        free = [name for name in (*self._wrt, *self._inputs) if name not in found]
        free = list(dict.fromkeys(free))
        open_ = [k for k, leaf in enumerate(leaves) if found[k] is None and not is_loss_name(leaf.label)]
        columns = {k: as_arrays([row[k] for row in values]) for k in open_}
        unnamed = [k for k in open_ if columns[k] is not None]
        for k in unnamed:
            self._by_value(k, columns[k] or [], bool(leaves[k].label), found, free)
        self._by_siblings(leaves, found)
        shapes = [np.shape(row) for row in values[0]]
        self._by_shapes_of_lists(leaves, found, shapes)
        unnamed = [k for k in open_ if isinstance(values[0][k], np.ndarray | float | int)]
        left = [k for k in unnamed if found[k] is None and not leaves[k].label]
        keyed = any(isinstance(step, str) for k in unnamed for step in leaves[k].place.path)
        if not left and not any(found):
            left = [k for k in unnamed if found[k] is None and not keyed]
        if any(found) and not keyed:
            self._by_order(leaves, found, shapes)
        self._by_place(leaves, found, left, updated)
        if not any(found) and not updated and leaves and not self._unfinished:
            count = self._overview.count or len(leaves)
            raise GradeError(
                f"{self._answer.name} returns {count} value{'s' * (count != 1)} and there are {len(self._wrt)} "
                f"gradients, by {', '.join(self._wrt)}; return them in this order, or by name in a dict"
            )
        return found

    def _by_value(
        self, k: int, values: Sequence[Array], labelled: bool, found: list[str | None], free: list[str]
    ) -> None:
        """Find the gradient that a returned value is, perhaps up to a factor; under another name a requested one."""
        for degree in (_equal, _proportional):
            for name in [name for name in free if name in self._wrt or not (labelled or degree is _proportional)]:
                true = self._truth.gradient(name)
                if true is not None and degree(values, true.values) and not (labelled and degree is _proportional):
                    found[k] = name
                    free.remove(name)
                    return
        for name in [name for name in free if name in self._wrt and not labelled]:
            if self._is_step(values, name):
                found[k] = name
                free.remove(name)
                return

    def _by_siblings(self, leaves: Sequence[_Leaf], found: list[str | None]) -> None:
        """Give the entries of a list the symbols of the list of parameters to which another entry belongs."""
        for k, leaf in enumerate(leaves):
            if found[k] is not None or leaf.index is None:
                continue
            family = leaf.place.root, leaf.place.path[:-1]
            for j, other in enumerate(leaves):
                if other.index is None or (other.place.root, other.place.path[:-1]) != family:
                    continue
                trees = [tree for tree in self._trees.values() if tree[other.index : other.index + 1] == [found[j]]]
                if trees and leaf.index < len(trees[0]) and trees[0][leaf.index] not in found:
                    found[k] = trees[0][leaf.index]
                    break

    def _by_shapes_of_lists(
        self, leaves: Sequence[_Leaf], found: list[str | None], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        """Give the entries of a list, none of which is known, the symbols of the one list of parameters like it."""
        families: dict[object, dict[int, int]] = {}
        for k, leaf in enumerate(leaves):
            if leaf.index is not None:
                families.setdefault((leaf.place.root, leaf.place.path[:-1]), {})[leaf.index] = k
        true = self._truth.points[0].values
        for entries in families.values():
            alike = [
                tree
                for tree in self._trees.values()
                if len(tree) == len(entries) and not set(tree) & set(found)
                if all(true[name].shape == shapes[entries[j]] for j, name in enumerate(tree) if j in entries)
            ]
            if len(alike) == 1 and not any(found[k] for k in entries.values()):
                for j, k in entries.items():
                    found[k] = alike[0][j]

    def _by_order(self, leaves: Sequence[_Leaf], found: list[str | None], shapes: Sequence[tuple[int, ...]]) -> None:
        """Give all values but a cost the symbols in order, if there are as many as requested ones, or as inputs.

        That of an input that is not requested has its shape: another number before the gradients is a cost.
        """
        true = self._truth.points[0].values
        kept = [k for k, leaf in enumerate(leaves) if found[k] is not None or not is_loss_name(leaf.label)]
        for names in (self._wrt, self._inputs):
            if len(kept) == len(names):
                ordered = [found[k] or name for k, name in zip(kept, names, strict=True)]
                fits = names is self._wrt or all(
                    found[k] or shapes[k] == true[names[j]].shape for j, k in enumerate(kept)
                )
                if len(set(ordered)) == len(ordered) and (names is self._wrt or ordered == names) and fits:
                    for k, name in zip(kept, ordered, strict=True):
                        found[k] = name
                    return

    def _by_name(self, leaf: _Leaf) -> str | None:
        if leaf.index is None:
            return (self._named(leaf.label) or self._origin(leaf)) if leaf.label else None
        root = called(leaf.label, self._trees) or gradient_of(leaf.label, list(self._trees))
        names = self._trees.get(root or "", [])
        return names[leaf.index] if leaf.index < len(names) else None

    def _by_place(
        self, leaves: Sequence[_Leaf], found: list[str | None], left: Sequence[int], updated: Sequence[str]
    ) -> None:
        """Give the remaining values the remaining symbols in order, if their number says which."""
        values = self._look([leaf.place for leaf in leaves])
        shapes = [np.shape(row) if isinstance(row, np.ndarray | float | int) else None for row in values[0]]
        for names in (self._wrt, () if any(found) else self._inputs):
            free = [name for name in names if name not in found and name not in updated]
            among = [k for k in left if shapes[k] != ()] if len(left) > len(free) else left  # but for a cost
            if among and len(among) == len(free):
                pairs = self._paired(among, free, shapes)
                for k, name in pairs:
                    found[k] = name
                return
        free = [name for name in self._wrt if name not in found and name not in updated]
        for k in left if len(left) <= len(self._inputs) + _MOST_OTHERS else ():
            same = [name for name in free if self._truth.points[0].values[name].shape == shapes[k]]
            if len(same) == 1:
                found[k] = same[0]
                free.remove(same[0])

    def _paired(
        self, left: Sequence[int], free: Sequence[str], shapes: Sequence[tuple[int, ...] | None]
    ) -> list[tuple[int, str]]:
        """Pair values with symbols in order, or by their shapes if these leave one choice and contradict the order."""
        true = {name: self._truth.points[0].values[name].shape for name in free}
        if all(shapes[k] == true[name] for k, name in zip(left, free, strict=True)):
            return list(zip(left, free, strict=True))
        kinds = {shape: [name for name in free if true[name] == shape] for shape in true.values()}
        if all(len(kinds.get(shapes[k] or (), ())) == 1 for k in left) and len({shapes[k] for k in left}) == len(left):
            return [(k, kinds[shapes[k] or ()][0]) for k in left]
        return list(zip(left, free, strict=True))

    def _final(self, leaf: _Leaf, symbol: str) -> Final:
        """Return a gradient; a value returned under a parameter's own name may be the updated parameter."""
        final = Final(symbol, leaf.place, leaf.label)
        own = called(leaf.label, self._inputs) == symbol or not leaf.label or self._origin(leaf) == symbol
        return replace(final, is_update=True) if own and self._is_updated(leaf, symbol) else final

    def _origin(self, leaf: _Leaf) -> str | None:
        """Return the parameter of which a value under another name, `W1_new = W1 - lr * dW1`, is the next one."""
        if not leaf.label.isidentifier() or self._named(leaf.label) is not None:
            return None
        older = without_newness(leaf.label)
        return called(older, self._inputs) if older else origin_of(self._answer.units, leaf.label, self._wrt)

    def _beside_updates(self, final: Final) -> Final:
        """Return a value under the own name of a parameter, beside others that are updated, as an updated one.

        It may have been overwritten by its step.
        """
        if final.is_update or called(final.label, self._inputs) != final.symbol:
            return final
        values = as_arrays([row[0] for row in self._look([final.place])])
        true = self._truth.gradient(final.symbol)
        return final if values is None or true is None or agree(values, true.values) else replace(final, is_update=True)

    def _is_updated(self, leaf: _Leaf, symbol: str) -> bool:
        values = as_arrays([row[0] for row in self._look([leaf.place])])
        true = self._truth.gradient(symbol)
        if self._origin(leaf) == symbol:
            return values is None or true is None or not agree(values, true.values)
        if values is None:  # the statement that assigns it fails
            return any(_updates_itself(top, leaf.label) for top in self._answer.body)
        if true is None or agree(values, true.values):
            return False
        if self._is_step(values, symbol) or (leaf.label and symbol in self._stepped):
            return True
        return bool(leaf.label) and any(_updates_itself(top, leaf.label) for top in self._answer.body)

    def _is_step(self, values: Sequence[Array], symbol: str) -> bool:
        """Whether values are those of a parameter after a step along its gradient."""
        true, points = self._truth.gradient(symbol), self._truth.points
        old = [np.asarray(point.values[symbol]) for point in points]
        if true is None or any(a.shape != b.shape for a, b in zip(values, old, strict=True)):
            return False
        return _proportional([b - a for a, b in zip(values, old, strict=True)], true.values)


def _updates_itself(top: ast.stmt, name: str) -> bool:
    """Whether a statement assigns to a variable, or returns under its name, what is computed from it by a step."""
    for node in ast.walk(top):
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == name:
            return True
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
            target = ast.unparse(node.targets[0])
            steps = isinstance(node.value.op, ast.Sub | ast.Add) and name in re.findall(
                r"\w+", ast.unparse(node.value.left)
            )
            if steps and (target == name or target.startswith(OUT)):
                return True
    return False


def _target(statement: ast.stmt) -> str:
    return ast.unparse(statement.targets[0]) if isinstance(statement, ast.Assign) else ""


def _equal(found: Sequence[Array], true: Sequence[Array]) -> bool:
    return agree(found, true)


def _proportional(found: Sequence[Array], true: Sequence[Array]) -> bool:
    ratios = constant_ratios(found, true) if all(a.size > 1 for a in found) else None
    return ratios is not None
